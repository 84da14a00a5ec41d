// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing
import TestSupport

@Suite struct TimeTests {
    private static let day: UInt64 = 1_800_000_000

    @Test func `absolute times are taken as they are`() throws {
        let bench = try Bench()
        let claims = bench.device.claims(.telemetry, trusted: Self.day)
        let message = try bench.device.telemetry(
            1, after: nil, pack(time: 1_800_000_000_250, isAbsolute: true), claims: claims)
        #expect(
            try bench.take(message.message, as: .telemetry).readings.first?.time
                == .absolute(milliseconds: 1_800_000_000_250))
    }

    @Test func `relative times of a device with a clock are relative to iat`() throws {
        let bench = try Bench()
        let claims = bench.device.claims(.telemetry, trusted: Self.day)
        let message = try bench.device.telemetry(1, after: nil, pack(time: -1500), claims: claims)
        #expect(
            try bench.take(message.message, as: .telemetry).readings.first?.time
                == .absolute(milliseconds: 1_799_999_998_500))
    }

    @Test("CLK-04 a device without time says so, and the boot's first trusted message resolves it")
    func resolution() throws {
        let bench = try Bench()
        let device = bench.device
        // Signed one minute after the boot's begin, taken two seconds before.
        let first = try device.telemetry(1, after: nil, pack(time: -2000))
        let unresolved = try bench.take(first.message, as: .telemetry)
        #expect(unresolved.readings.first?.time == .sinceBoot(device.boot.id, milliseconds: 58_000))
        #expect(unresolved.datedBoot == nil)
        #expect(bench.verifier.wallClock(of: device.id, boot: device.boot.id) == nil)

        let event = try device.event(.clockTrusted, device.claims(.event, trusted: Self.day, at: 100_000))
        #expect(try bench.take(event, as: .event).datedBoot == device.boot.id)
        let start = try #require(bench.verifier.wallClock(of: device.id, boot: device.boot.id))
        #expect(start == Int64(Self.day) * 1000 - 100_000)
        #expect(
            unresolved.readings.first?.time.resolved(by: start) == .absolute(milliseconds: start + 58_000))

        // What comes later is resolved at once, whatever its order of arrival; the first word counts.
        let later = try bench.take(
            device.telemetry(2, after: first.head, pack(time: -1000)).message, as: .telemetry)
        #expect(later.readings.first?.time == .absolute(milliseconds: start + 59_000))
        let second = try device.event(.stateLost, device.claims(.event, trusted: Self.day + 500, at: 100_000))
        #expect(try bench.take(second, as: .event).datedBoot == nil)
        #expect(bench.verifier.wallClock(of: device.id, boot: device.boot.id) == start)
    }

    @Test func `another boot stays unresolved`() throws {
        let bench = try Bench()
        var device = bench.device
        _ = try bench.take(
            device.event(.clockTrusted, device.claims(.event, trusted: Self.day)), as: .event)
        device.boot = BootTime(id: bytes16(0xb1), milliseconds: 5000)
        let message = try bench.take(device.telemetry(1, after: nil, pack(time: 0)).message, as: .telemetry)
        #expect(message.readings.first?.time == .sinceBoot(bytes16(0xb1), milliseconds: 5000))
    }

    @Test func `an unconfirmed clock dates no boot`() throws {
        let bench = try Bench()
        var claims = bench.device.claims(.event, trusted: Self.day)
        claims.clock = .bounded
        #expect(try bench.take(bench.device.event(.stateLost, claims), as: .event).datedBoot == nil)
    }

    @Test func `a reading without any time is unknown`() throws {
        let bench = try Bench()
        var claims = bench.device.claims(.telemetry)
        claims.boot = nil
        let message = try bench.device.telemetry(1, after: nil, pack(time: -5), claims: claims)
        #expect(try bench.take(message.message, as: .telemetry).readings.first?.time == .unknown)
    }

    @Test func `times at the end of their range do not trap`() throws {
        let bench = try Bench()
        let device = bench.device
        let event = try device.event(.clockTrusted, device.claims(.event, trusted: 1 << 40, at: .max))
        _ = try bench.take(event, as: .event)
        for (index, time) in [Int64.min, -(1 << 60), 0, 1 << 27].enumerated() {
            for at in [0, .max] as [UInt64] {
                let claims = device.claims(.telemetry, at: at)
                let message = try device.telemetry(
                    UInt64(index) * 2 + (at == 0 ? 1 : 2), after: nil, pack(time: time), claims: claims)
                _ = try bench.take(message.message, as: .telemetry)
            }
        }
        #expect(ReadingTime.sinceBoot(bytes16(0), milliseconds: .max).resolved(by: .max) == .unknown)
    }
}
