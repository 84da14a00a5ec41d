// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Logging
import MartletController
import Testing

@testable import martlet_gateway

/// A gateway's directory, and a device that sends it its audit log.
class AuditBench {
    final class Shown: Display {
        let isBroken = false
        var reports: [Report] = []
        var notes: [String] = []

        func show(_ report: Report) { reports.append(report) }
        func note(_ level: Logger.Level, _ text: String) { if level >= .warning { notes.append(text) } }
        func tick() {}
        func end() {}

        var refusals: [VerificationError] {
            reports.compactMap { if case .refused(_, _, let error) = $0 { error } else { nil } }
        }

        /// The JSON lines of type `audit`.
        var lines: [String] {
            reports.flatMap { report -> [String] in
                guard case .audit = report else { return [] }
                return JSONLines.objects(report).map(\.text)
            }
        }
    }

    static let device = Array("pump-7".utf8)
    static let command = [UInt8](repeating: 0xcc, count: 16)
    static let hash = [UInt8](repeating: 0xdd, count: 32)

    let path: String
    let place: GatewayDirectory
    static let urn = "urn:dev:mac:0024befffe804ff1"

    private(set) var key: DeviceKey
    private(set) var sealer: EnvelopeSealer
    private(set) var certificate: [UInt8]
    let controller: UInt64
    var shown = Shown()
    var receiver: Receiver
    var chain = AuditChain()
    /// What waits for the next checkpoint.
    var entries: [[UInt8]] = []
    var answers: [(topic: String, message: [UInt8])] = []
    /// Whether the queue of what is to be sent has no room.
    var isFull = false

    init() throws {
        path = NSTemporaryDirectory() + "martlet-audit-" + UUID().uuidString
        try Initialise.parse(["--directory", path]).run()
        place = try GatewayDirectory(path: path)
        (key, certificate, sealer) = try Self.device(place, Self.urn)
        let operatorKey = try place.key(Party.operator.signingKey).publicKey.spki
        controller = KeyID(ofKey: key.sha256(operatorKey.span)).value
        receiver = try Receiver(place, capture: nil, display: shown)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static func device(_ place: GatewayDirectory, _ urn: String) throws -> (DeviceKey, [UInt8], EnvelopeSealer)
    {
        let (key, now) = (try DeviceKey(), SystemClock.unixMilliseconds() / 1000)
        let certificate = try place.authority().issueDevice(
            key.key.publicKey, commonName: "pump-7", uri: urn, notBefore: now - 60, notAfter: now + 3600)
        let spki = key.key.publicKey.spki
        let sealer = EnvelopeSealer(issuer: Array(urn.utf8), publicKey: spki.span, signer: key, hashing: key)
        return (key, try certificate.der, sealer)
    }

    /// The device gets another key, as when it is set up anew.
    func provision(urn: String = urn) throws { (key, certificate, sealer) = try Self.device(place, urn) }

    /// As after a restart of the gateway.
    func restart() throws {
        receiver.linkChanged(.stopped)
        shown = Shown()
        receiver = try Receiver(place, capture: nil, display: shown)
    }

    func seal(_ purpose: Purpose, _ payload: [UInt8]?, chain: [[UInt8]] = []) throws -> [UInt8] {
        var message: [UInt8] = []
        let payload = try #require(payload)
        _ = try sealer.seal(
            Claims(purpose: purpose), contentType: ContentFormat.cbor, payload: payload.span, x5chain: chain,
            into: &message)
        return message
    }

    @discardableResult
    func send(_ purpose: Purpose, _ payload: [UInt8]?, chain: [[UInt8]] = []) throws -> Bool {
        receive(purpose, try seal(purpose, payload, chain: chain))
    }

    /// Returns whether it is acknowledged.
    @discardableResult
    func receive(_ purpose: Purpose, _ message: [UInt8]) -> Bool {
        receiver.publish = { [unowned self] topic, message in
            if isFull { return false }
            answers.append((topic, message))
            return true
        }
        let topic = Array("martlet/v1/pump-7/\(purpose.leaf)".utf8)
        return receiver.linkReceived(topic: topic.span, payload: message.span, isRetained: false)
    }

    @discardableResult
    func birth(run: UInt64 = 1, connection: UInt64 = 1, trustVersion: UInt64 = 1) throws -> Bool {
        let birth = Birth(
            run: run, connection: connection, challenge: Bytes16(InlineArray(repeating: UInt8(run))),
            trustVersion: trustVersion, journal: self.chain.head)
        return try send(.birth, birth.encoded(), chain: [certificate])
    }

    func log(_ kind: AuditKind, _ values: [AuditValue], run: UInt64 = 1) throws {
        let time = AuditTime(run: run, boot: 12_300, seconds: 1_795_262_400, clock: .trusted)
        let entry = chain.append(kind, values, at: time, hashing: key)
        entries.append(try #require(entry))
    }

    /// The next checkpoint.
    func sealed() throws -> [UInt8] {
        let checkpoint = Checkpoint(run: 1, head: try #require(chain.head), entries: entries)
        entries = []
        return try seal(.checkpoint, checkpoint.encoded())
    }

    @discardableResult
    func checkpoint() throws -> Bool { receive(.checkpoint, try sealed()) }

    /// A run, a command that was carried out, one that was refused, in three messages.
    func ordinaryLog() throws {
        try birth()
        try log(.started, [.number(1)])
        try checkpoint()
        let command: [AuditValue] = [.number(controller), .bytes(Self.command), .bytes(Self.hash)]
        try log(.accepted, command + [.text(Array("set-interval".utf8))])
        try log(.ended, command + [.number(0)])
        try checkpoint()
        let other: [AuditValue] = [.number(5), .bytes([UInt8](repeating: 0xee, count: 16)), .bytes(Self.hash)]
        try log(.refused, other + [.number(16)])
        try log(.refusals, [.number(9), .number(3), .number(10), .number(2), .number(1)])
        try checkpoint()
    }

    var file: AuditFile {
        get throws { try AuditFile(place, of: Self.device) }
    }

    func history() throws -> AuditHistory {
        try AuditDevice.parse(["pump-7"]).history(place)
    }

    func write(_ bytes: [UInt8]) throws { try Data(bytes).write(to: URL(filePath: file.path)) }
}
