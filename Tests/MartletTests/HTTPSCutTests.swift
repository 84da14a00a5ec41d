// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletHTTPSLink
import MartletPosix
import TestSupport
import Testing

/// Exchanges over HTTPS that are cut: in the handshake at the edges of its records and one byte beside them, from there on
/// at every byte of request and answer, in either direction.
///
/// They run in a process of their own, so that what is left over can be counted.
@Suite(.timeLimit(.minutes(5))) struct HTTPSCutTests {
    @Test("TLS-07 P1 an exchange cut at any byte of the server loses and repeats no reading, and leaves nothing")
    func fromServer() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            HTTPSCutTests.cutEverywhere(.server)
        }
        show(result)
    }

    @Test("TLS-07 P1 an exchange cut at any byte of the device loses and repeats no reading, and leaves nothing")
    func fromClient() async throws {
        let result = try await #require(processExitsWith: .success, observing: [\.standardOutputContent]) {
            HTTPSCutTests.cutEverywhere(.client)
        }
        show(result)
    }

    private func show(_ result: ExitTest.Result) {
        let text = String(decoding: result.standardOutputContent, as: UTF8.self)
        let lines = text.split(separator: "\n").filter { $0.hasPrefix("cut ") }
        print(lines.joined(separator: "\n"))
        #expect(lines.count == 1 && !text.contains("cut failed"))
    }

    private static func cutEverywhere(_ side: CutExchanges.Side) {
        do { print("cut at", try measure(side)) } catch { print("cut failed: \(error)") }
    }

    private static func measure(_ side: CutExchanges.Side) throws -> String {
        // Each waits for its disk most of the time.
        nonisolated(unsafe) let devices = try (1...4).map { _ in try CutExchanges() }
        let offsets = try devices[0].offsets(of: side)
        // What is made once for all connections is not counted.
        for device in devices { _ = try device.cut(side, at: Array(offsets.prefix(20))) }
        let before = Left()
        let start = SystemClock.bootMilliseconds()
        let results = Guarded<[Result<Int, any Error>]>([])
        DispatchQueue.concurrentPerform(iterations: devices.count) { part in
            let result = Result {
                let own = offsets.indices.filter { $0 % devices.count == part }.map { offsets[$0] }
                let cuts = try devices[part].cut(side, at: own)
                try devices[part].judge()
                return cuts
            }
            results.with { $0.append(result) }
        }
        let seconds = (SystemClock.bootMilliseconds() - start) / 1000
        let cuts = try results.with { $0 }.reduce(0) { try $0 + $1.get() }
        let after = Left.settled(below: before)
        guard cuts >= offsets.count - 8 * devices.count, cuts > 300, after.threads <= before.threads,
            after.descriptors <= before.descriptors
        else { throw TestFailure("\(cuts) cuts of \(offsets.count): from \(before) to \(after)") }
        // What these limits are worth: a device that nobody stops.
        let held = try devices[0].bench.device()
        try held.start()
        try devices[0].bench.waitForLog("resumed this run")
        guard Left().threads > before.threads else { throw TestFailure("a device that runs is not seen") }
        held.stop(flushing: 0)
        return "\(cuts) bytes of the \(side.rawValue) in \(seconds) s: from \(before) to \(after)"
    }

    @Test func `a link that does not wait for the whole answer loses readings, which is found`() throws {
        let exchanges = try CutExchanges(https: HastyLink.support)
        let offsets = try exchanges.offsets(of: .client)
        let error = #expect(throws: TestFailure.self) {
            _ = try exchanges.cut(.client, at: offsets.enumerated().filter { $0.offset % 50 == 0 }.map(\.element))
            try exchanges.judge()
        }
        #expect(error?.description.contains("was acknowledged and is lost") == true, "\(String(describing: error))")
    }

    /// Which of the offsets is the last byte that passes.
    private static let silences: [(side: CutExchanges.Side, part: Double)] = [
        (.server, 0), (.server, 0.02), (.server, 0.5), (.server, 0.9), (.client, 0.5), (.client, 0.9),
    ]

    @Test(
        "TLS-07 a server that falls silent is left in time, and what it did not acknowledge comes again", .tags(.slow))
    func silence() throws {
        let group = DispatchGroup()
        let results = Guarded<[String: Result<UInt64, any Error>]>([:])
        for (side, part) in Self.silences {
            group.enter()
            Thread.detachNewThread {
                let result = Result { try Self.patience(side, part) }
                results.with { $0["\(side.rawValue) \(part)"] = result }
                group.leave()
            }
        }
        group.wait()
        // 15 seconds for the handshake, at most 30 for the exchange.
        for (name, result) in results.with({ $0 }) {
            #expect(try (13_000...33_000).contains(result.get()), "\(name): \(result)")
        }
    }

    /// Milliseconds until the device gave up on a server that was not heard, or did not hear, from there on.
    private static func patience(_ side: CutExchanges.Side, _ part: Double) throws -> UInt64 {
        let exchanges = try CutExchanges()
        let offsets = try exchanges.offsets(of: side)
        var limit = CutExchanges.limit(side, offsets[Int(Double(offsets.count) * part)])
        limit.stalls = true
        let start = SystemClock.bootMilliseconds()
        guard try !exchanges.run(limit, seconds: 40) else { throw TestFailure("the exchange succeeded") }
        let end = SystemClock.bootMilliseconds()
        try exchanges.judge()
        return end - start
    }
}

/// What this process holds.
private struct Left: CustomStringConvertible {
    let descriptors: Int
    let threads: Int

    init() {
        descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
        threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
    }

    var description: String { "\(descriptors) descriptors and \(threads) threads" }

    /// As soon as what serves the last request has ended.
    static func settled(below other: Left) -> Left {
        var left = Left()
        for _ in 0..<5000 where left.descriptors > other.descriptors || left.threads > other.threads {
            usleep(1000)
            left = Left()
        }
        return left
    }
}
