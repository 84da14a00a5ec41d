// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import MartletController

/// How a device comes by another key.
@Suite struct KeyChangeTests {
    private let bench: Bench
    private let next: TestDevice

    init() throws {
        bench = try Bench()
        next = try TestDevice(bench.authority)
    }

    /// The event by which `device` announces the key of `next`.
    private func announcement(_ device: TestDevice, of next: TestDevice) throws -> [UInt8] {
        try device.seal(device.claims(.event), Event.nextKey(Self.digest(next)).encoded()).message
    }

    private func farewell(_ device: TestDevice, _ payload: [UInt8] = Decommission.payload) throws -> [UInt8] {
        try device.seal(device.claims(.decommission), payload).message
    }

    private static func digest(_ device: TestDevice) throws -> Digest {
        let der = device.certificates[0]
        let certificate = try Certificate(der: der.span)
        let key = try certificate.publicKey.spki
        return try Digest(SHA256().digest(key.span))
    }

    @Test func `a key that the one before announced is told from one that it did not`() throws {
        _ = try bench.take(announcement(bench.device, of: next), as: .event)
        #expect(try bench.take(next.birth(run: 2), as: .birth).keyChange == .announced)
        // What was announced is used up.
        #expect(try bench.take(bench.device.birth(run: 3), as: .birth).keyChange == .unannounced)
        #expect(try bench.take(next.birth(run: 4), as: .birth).keyChange == .unannounced)
        #expect(try bench.take(next.birth(run: 5), as: .birth).keyChange == nil)
    }

    @Test func `another certificate of the same key is no change`() throws {
        let key = try PrivateKey.generate(.p256)
        func device() throws -> TestDevice {
            let certificate = try bench.authority.authority.issueDevice(
                key.publicKey, commonName: "pump-7", uri: TestDevice.urn, notBefore: bench.authority.notBefore,
                notAfter: bench.authority.notAfter)
            return try TestDevice(certificate: certificate, key: key)
        }
        let (first, second) = (try device(), try device())
        #expect(try bench.take(first.birth(run: 2), as: .birth).keyChange == .unannounced)
        #expect(try bench.take(second.birth(run: 3), as: .birth).keyChange == nil)
    }

    @Test func `of a device that is new no key is a change`() throws {
        let bench = try Bench(knowing: false)
        #expect(try bench.take(bench.device.birth(), as: .birth).keyChange == nil)
    }

    @Test func `an older birth neither changes the key nor uses up what was announced`() throws {
        _ = try bench.take(bench.device.birth(run: 5), as: .birth)
        _ = try bench.take(announcement(bench.device, of: next), as: .event)
        let older = try bench.take(TestDevice(bench.authority).birth(run: 4), as: .birth)
        #expect(older.standing == .older && older.keyChange == nil)
        #expect(try bench.take(next.birth(run: 6), as: .birth).keyChange == .announced)
    }

    @Test("ROT-02 what the old key signed still verifies, but it announces nothing and retires nobody")
    func replaced() throws {
        _ = try bench.take(next.birth(run: 2), as: .birth)
        #expect(try bench.take(bench.device.telemetry(1, after: nil).message, as: .telemetry).verdict == .first)
        #expect(bench.refusal(try announcement(bench.device, of: next), as: .event) == .replacedKey)
        #expect(bench.refusal(try farewell(bench.device), as: .decommission) == .replacedKey)
        #expect(bench.refusal(try farewell(next), as: .decommission) == nil)
    }

    @Test func `what was announced outlives the back end, by whichever key`() throws {
        let third = try TestDevice(bench.authority)
        for (run, (device, other)) in [(bench.device, next), (next, third)].enumerated() {
            _ = try bench.take(announcement(device, of: other), as: .event)
            let kept = try #require(bench.verifier.memory(of: bench.device.id)).encoded()
            bench.verifier.forget(bench.device.id)
            #expect(bench.verifier.restore(bench.device.id, try DeviceMemory(decoding: kept.span)) == nil)
            #expect(try bench.take(other.birth(run: UInt64(run) + 2), as: .birth).keyChange == .announced)
        }
    }

    @Test func `another name under the same id is a key that nobody announced`() throws {
        let identity = try bench.authority.device("pump-7", mac: "0024befffe804ff2")
        let other = try TestDevice(
            certificate: identity.certificate, key: identity.key, urn: "urn:dev:mac:0024befffe804ff2")
        let birth = try bench.take(other.birth(), as: .birth)
        #expect(birth.standing == .first && birth.keyChange == .unannounced)
    }

    @Test func `an announcement of anything but four numbers in order is refused`() throws {
        let whole = try Event.nextKey(Self.digest(next))
        #expect(try whole.nextKey == Self.digest(next))
        var events: [Event] = []
        for count in 0..<4 { events.append(Event(kind: .nextKey, values: Array(whole.values[..<count]))) }
        events.append(Event(kind: .nextKey, values: whole.values + [whole.values[3]]))
        events.append(Event(kind: .nextKey, values: whole.values.reversed()))
        for event in events {
            let message = try bench.device.seal(bench.device.claims(.event), event.encoded()).message
            #expect(bench.refusal(message, as: .event) == .message(.badValue(1)))
        }
        #expect(try bench.take(next.birth(run: 2), as: .birth).keyChange == .unannounced)
    }

    @Test func `a decommission is an empty map`() throws {
        for payload: [UInt8] in [[], [0xA0, 0xA0], [0xA1, 0x00, 0x00], [0x80]] {
            let message = try farewell(bench.device, payload)
            #expect(bench.refusal(message, as: .decommission) == .message(.badValue(0)))
        }
    }
}
