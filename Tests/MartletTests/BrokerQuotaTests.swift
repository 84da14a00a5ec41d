// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletMessages
import TestSupport
import Testing

/// A broker that answers with PUBACK 0x97, quota exceeded. mosquitto does so for all that a client publishes as long as
/// unfinished publications with QoS 2 of its session have as many bytes as may be in flight and queued together.
@Suite(.timeLimit(.minutes(5))) struct BrokerQuotaTests {
    private static let limit = 65_536
    private let bench: Bench
    private let relay: CommandRelay

    init() throws {
        bench = try Bench(settings: ["max_inflight_bytes \(Self.limit)", "max_queued_bytes \(Self.limit)"])
        relay = try CommandRelay(bench)
    }

    private func exceed() throws {
        try relay.order("begin \(2 * Self.limit)")
        try bench.broker.waitForLog("Sending PUBREC to \(DeviceFolder.id) (m65535, rc0)", seconds: 30)
    }

    /// Waits until the broker refused something, and the device said when it tries again.
    private func waitForTry(in seconds: Int) throws {
        try bench.waitForLog("the broker's quota is exceeded: they are kept; next try in \(seconds) s")
    }

    /// Reports one, and another one while the first waits, and waits for more tries.
    private func keepTwoReadings(_ device: Device) throws {
        try device.report("first", 1)
        try waitForTry(in: 1)
        try device.report("second", 2)
        for seconds in [2, 4] { try waitForTry(in: seconds) }
        // A checkpoint may wait as well.
        #expect(device.status.waitingMessages >= 2)
        #expect(names().isEmpty)
    }

    /// All readings that the back end got, in the order of their arrival.
    private func names() -> [String] {
        bench.backEnd.state.with { bench.backEnd.readings($0) }.map { String(decoding: $0.reading.name, as: UTF8.self) }
    }

    /// What is kept arrives, and nothing else before a reading that follows.
    private func expectBoth(_ device: Device) throws {
        try device.report("end", 0)
        _ = try bench.backEnd.waitFor("the end", seconds: 60) { state in
            bench.backEnd.readings(state).contains { $0.reading.name == Array("end".utf8) } ? true : nil
        }
        #expect(names() == ["first", "second", "end"])
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
        device.stop()
        #expect(device.status.waitingMessages == 0)
    }

    /// The last levels of the topics to which a message was answered with 0x97.
    private var exceeding: Set<String> {
        let lines = bench.broker.log.split(separator: "\n")
        return Set(
            zip(lines, lines.dropFirst()).compactMap { message, answer in
                guard message.contains("Received PUBLISH"), answer.contains("Sending PUBACK"),
                    answer.hasSuffix(", rc151)")
                else { return nil }
                return message.split(separator: "'")[1].split(separator: "/").last.map(String.init)
            })
    }

    @Test("P1 readings that exceed the broker's quota are kept, and each is delivered once when it is not exceeded")
    func readings() throws {
        defer { relay.stop() }
        let device = try bench.device()
        try bench.startResumed(device)
        try exceed()
        try keepTwoReadings(device)
        try relay.order("finish")
        try expectBoth(device)
        #expect(exceeding.contains("telemetry"))
        #expect(exceeding.isDisjoint(with: ["birth", "presence"]))
    }

    @Test("P1 a device whose birth exceeds the broker's quota delivers all when it is not exceeded")
    func birth() throws {
        defer { relay.stop() }
        let device = try bench.device()
        try bench.startResumed(device)
        try exceed()
        try relay.order("cut")
        try bench.waitForLog("not connected")
        try keepTwoReadings(device)
        try relay.order("finish")
        try expectBoth(device)
        #expect(exceeding.isSuperset(of: ["birth", "presence", "telemetry"]))
        let connections = bench.backEnd.state.with { $0.messages }.compactMap { message in
            if case .birth(let birth, _) = message.content { birth.connection } else { nil }
        }
        #expect(connections == [1, 2])
    }
}
