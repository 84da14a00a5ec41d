// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import Testing

@testable import martlet_gateway

/// A device whose key changes, and one that retires.
@Suite final class KeyChangeTests: AuditBench {
    /// With the certificate that the device has.
    private func register() throws -> Registry {
        let registry = try Registry(place)
        try registry.store("pump-7", DeviceEntry(state: .active, urn: Self.urn, certificate: certificate))
        return registry
    }

    private var rules: String {
        get throws { try String(contentsOfFile: path + "/" + GatewayDirectory.File.accessRules, encoding: .utf8) }
    }

    /// The announcement by the key before of the one that `body` makes.
    private func announced(_ body: () throws -> Void) throws {
        let before = sealer
        try body()
        let spki = key.key.publicKey.spki
        let next = Event.nextKey(key.sha256(spki.span))
        var claims = Claims(purpose: .event)
        claims.clock = .untrusted
        var message: [UInt8] = []
        let payload = try #require(next.encoded())
        _ = try before.seal(
            claims, contentType: ContentFormat.cbor, payload: payload.span, x5chain: [], into: &message)
        #expect(receive(.event, message))
    }

    private var keys: [String] {
        shown.reports.compactMap { report in
            guard case .birth = report else { return nil }
            return JSONLines.objects(report)[0].text.split(separator: "\"key\":").last
                .flatMap { $0.split(separator: ",").first }.map(String.init)
        }
    }

    @Test func `of a key that was not announced a person is told`() throws {
        try birth()
        try announced { try provision() }
        try birth(run: 2)
        #expect(shown.notes == [])
        try provision()
        try birth(run: 3)
        #expect(keys == ["null", "\"announced\"", "\"unannounced\""])
        #expect(shown.notes.count == 1 && shown.notes[0].contains("another key"))
    }

    @Test func `what was announced is stored before it is acknowledged`() throws {
        try birth()
        try announced { try provision() }
        // As after kill -9.
        receiver = try Receiver(place, capture: nil, display: shown)
        try birth(run: 2)
        #expect(keys == ["null", "\"announced\""] && shown.notes == [])
    }

    @Test func `a device that retires is retired in the registry, and barred`() throws {
        let registry = try register()
        try birth()
        #expect(try !rules.contains("pump-7"))
        #expect(try send(.decommission, Decommission.payload))
        #expect(try registry.entry("pump-7")?.state == .retired)
        #expect(try rules.contains("pump-7"))
    }

    @Test func `so is one whose next certificate is on its way`() throws {
        let registry = try register()
        try birth()
        try registry.change("pump-7") { entry throws(Failure) in
            entry.predecessor = try Token.digest(certificate)
            entry.certificate = nil
        }
        #expect(try send(.decommission, Decommission.payload))
        #expect(try registry.entry("pump-7")?.state == .retired)
    }

    @Test func `a board that was replaced does not retire its successor`() throws {
        let registry = try register()
        try birth()
        let old = sealer
        try provision()
        try registry.change("pump-7") { entry throws(Failure) in entry.certificate = certificate }
        var message: [UInt8] = []
        var claims = Claims(purpose: .decommission)
        claims.clock = .untrusted
        let payload = Decommission.payload
        _ = try old.seal(
            claims, contentType: ContentFormat.cbor, payload: payload.span, x5chain: [], into: &message)
        #expect(receive(.decommission, message))
        #expect(try registry.entry("pump-7")?.state == .active)
        #expect(shown.notes.count == 1 && shown.notes[0].contains("another board"))
    }
}
