// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletController
import MartletPosix
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LaneTests {
    /// The numbers of all readings that the back end has of `name`, in the order of their arrival.
    private func numbers(_ bench: Bench, _ name: String) -> [Int] {
        bench.backEnd.state.with { bench.backEnd.readings($0) }.compactMap { reading, _ in
            guard reading.name == Array(name.utf8), case .number(let number) = reading.value else { return nil }
            return Int(number)
        }
    }

    private func wait(_ bench: Bench, for count: Int, _ name: String) throws {
        _ = try bench.backEnd.waitFor("\(count) of \(name)", seconds: 60) { state in
            bench.backEnd.readings(state).count { $0.reading.name == Array(name.utf8) } >= count ? true : nil
        }
    }

    /// As soon as there is room.
    private func report(_ name: String, _ value: String, to device: Device) throws {
        while true {
            do throws(MartletError) { return try device.report(name, value) } catch {
                try #require(error.code == .full)
            }
        }
    }

    @Test("P1 what durable reports returned for, without a connection, is sent by the next run, each lane in order")
    func durable() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        proxy.refusing = true
        var device = try bench.device()
        try device.start()
        for number in 1...5 {
            try device.report("alarm", Double(number), lane: .alarm, durable: true)
            try device.report("normal", Double(number), durable: true)
            try device.report("bulk", Double(number), lane: .bulk, durable: true)
        }
        device.stop(flushing: 0)
        device = try bench.device()
        proxy.refusing = false
        try device.start()
        try wait(bench, for: 5, "bulk")
        for name in ["alarm", "normal", "bulk"] { #expect(numbers(bench, name) == Array(1...5)) }
        device.stop()
        let verdicts = bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.verdict)
        #expect(verdicts.count { $0 == .first } == 3, "\(verdicts)")
        #expect(verdicts.allSatisfy { $0 == .first || $0 == .linked }, "\(verdicts)")
    }

    @Test("P1 durable reports of many threads share commits, and each returns")
    func together() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        let failures = Guarded(0)
        let threads = try (0..<8).map { number in
            try Thread {
                for round in 1...10 {
                    do throws(MartletError) {
                        try device.report("of-\(number)", Double(round), durable: true)
                    } catch {
                        failures.with { $0 += 1 }
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(failures.with { $0 } == 0)
        for number in 0..<8 {
            try wait(bench, for: 10, "of-\(number)")
            #expect(numbers(bench, "of-\(number)") == Array(1...10))
        }
        device.stop()
    }

    @Test(
        "P1 what was reported before a stop is written, however much it is, and sent by the next run",
        arguments: ["4096", "32768"])
    func stopped(commitBytes: String) throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        proxy.refusing = true
        // Batches that are not due, and together more than one commit takes.
        try bench.reconfigure([
            "batch-age": "3600", "batch-bytes": "8192", "batch-count": "256", "commit-bytes": commitBytes,
        ])
        var device = try bench.device()
        try device.start()
        let text = String(repeating: "x", count: 1000)
        var count = 0
        do throws(MartletError) {
            while count < 75 {
                try device.report("text-\(count)", text)
                count += 1
            }
        } catch {
            #expect(error.code == .full)
        }
        try device.report("last", 1, lane: .bulk)
        device.stop(flushing: 0)
        device = try bench.device()
        proxy.refusing = false
        try device.start()
        try wait(bench, for: 1, "last")
        let names = bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.reading.name)
        #expect(count > 8 && names == (0..<count).map { Array("text-\($0)".utf8) } + [Array("last".utf8)])
        device.stop()
    }

    @Test(
        "P1 readings that come faster than they are written arrive in order, however much waits for one write",
        arguments: ["4096", "32768"])
    func faster(commitBytes: String) throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        proxy.refusing = true
        try bench.reconfigure([
            "batch-age": "3600", "batch-bytes": "8192", "batch-count": "256", "commit-bytes": commitBytes,
        ])
        let device = try bench.device()
        try device.start()
        let text = String(repeating: "x", count: 1000)
        for number in 1...200 { try report("text-\(number)", text, to: device) }
        proxy.refusing = false
        for number in 201...400 { try report("text-\(number)", text, to: device) }
        try device.report("last", 1, lane: .bulk, durable: true)
        try wait(bench, for: 1, "last")
        device.stop(flushing: 30)
        try wait(bench, for: 1, "text-400")
        let readings = bench.backEnd.state.with { bench.backEnd.readings($0) }
        #expect(
            readings.map(\.reading.name).filter { $0 != Array("last".utf8) }
                == (1...400).map { Array("text-\($0)".utf8) })
        #expect(readings.allSatisfy { $0.verdict == .first || $0.verdict == .linked })
    }

    @Test("P6 readings wait until as much waits as is configured, alarms do not")
    func waiting() throws {
        let bench = try Bench()
        try bench.reconfigure(["batch-age": "3600", "batch-count": "1", "commit-bytes": "32768"])
        let device = try bench.device()
        try bench.startResumed(device)
        // At most ten of them are not signed when the alarm comes. 4 KiB are fewer than twenty, 32 KiB over a hundred.
        for number in 1...40 { try report("text-\(number)", "", to: device) }
        try device.report("alarm", 1, lane: .alarm)
        try wait(bench, for: 1, "alarm")
        #expect(bench.backEnd.state.with { bench.backEnd.readings($0) }.count == 1)
        for number in 41...200 { try report("text-\(number)", "", to: device) }
        try wait(bench, for: 1, "text-90")
        device.stop(flushing: 30)
        try wait(bench, for: 1, "text-200")
        let names = bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.reading.name)
        #expect(names.dropFirst() == (1...200).map { Array("text-\($0)".utf8) }[...])
    }

    @Test("P1 a durable report returns while another thread reports as fast as it can")
    func busy() throws {
        let bench = try Bench()
        let device = try bench.device()
        try device.start()
        let isEnding = Guarded(false)
        let flood = try Thread {
            while !isEnding.with({ $0 }) { try? device.report("flood", 1) }
        }
        for number in 1...10 {
            while true {
                do throws(MartletError) {
                    try device.report("durable", Double(number), durable: true)
                    break
                } catch { try #require(error.code == .full) }
            }
            try device.report("alarm", Double(number), lane: .alarm, durable: true)
        }
        isEnding.with { $0 = true }
        flood.join()
        try wait(bench, for: 10, "alarm")
        #expect(numbers(bench, "alarm") == Array(1...10))
        device.stop(flushing: 0)
    }

    @Test("P6 alarms overtake what waits")
    func overtaking() throws {
        let bench = try Bench(throughProxy: true)
        let proxy = try #require(bench.proxy)
        proxy.refusing = true
        let device = try bench.device()
        try device.start()
        for number in 1...100 { try device.report("bulk", Double(number), lane: .bulk, durable: number % 10 == 0) }
        try device.report("alarm", 1, lane: .alarm, durable: true)
        proxy.refusing = false
        try wait(bench, for: 100, "bulk")
        let names = bench.backEnd.state.with { bench.backEnd.readings($0) }.map(\.reading.name)
        #expect(names.first == Array("alarm".utf8))
        device.stop()
    }

    @Test func `a durable report that nobody could make durable is refused at once`() throws {
        let bench = try Bench()
        let errors = Guarded<[MartletError.Code]>([])
        let holder = Guarded<Device?>(nil)
        let device = try Device(configuration: bench.configuration, logLevel: .info) { _, _ in
            guard let device = holder.with({ $0 }) else { return }
            do throws(MartletError) { try device.report("x", 1, durable: true) } catch {
                errors.with { $0.append(error.code) }
                errors.notify()
            }
        }
        do throws(MartletError) {
            try device.report("x", 1, durable: true)
            Issue.record("a device that was not started made a reading durable")
        } catch {
            #expect(error.code == .wrongState)
        }
        holder.with { $0 = device }
        try device.start()
        try device.report("x", 1, durable: true)
        #expect(errors.wait(milliseconds: 30_000) { $0.isEmpty ? nil : true } == true)
        device.stop()
        holder.with { $0 = nil }
        let codes = errors.with { $0 }
        #expect(!codes.isEmpty && codes.allSatisfy { $0 == .wrongState })
    }
}
