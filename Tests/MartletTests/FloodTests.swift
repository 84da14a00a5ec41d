// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import MartletMessages
import MartletPosix
import TestSupport
import Testing

/// A group of processes that may use so much memory together; the system kills what wants more. The memory belongs to
/// cgroup v1 where that is mounted for it, otherwise to v2.
private final class MemoryGroup {
    static let limit = 32 << 20
    private static let groups = "/sys/fs/cgroup"
    private static let isFirstVersion = FileManager.default.fileExists(atPath: groups + "/memory")
    let path: String

    init() throws {
        path = Self.groups + (Self.isFirstVersion ? "/memory" : "") + "/martlet-test-\(UUID().uuidString)"
        do {
            if !Self.isFirstVersion {
                let controllers = try String(contentsOfFile: Self.groups + "/cgroup.controllers", encoding: .utf8)
                guard controllers.split(whereSeparator: \.isWhitespace).contains("memory") else {
                    throw TestFailure("cgroup.controllers does not name memory")
                }
            }
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            try set(Self.isFirstVersion ? "memory.limit_in_bytes" : "memory.max", Self.limit)
            if !Self.isFirstVersion { try set("memory.swap.max", 0) }
        } catch {
            throw TestFailure("no cgroup for memory: run as root where \(Self.groups) is writable (\(error))")
        }
    }

    private func set(_ name: String, _ value: Int) throws {
        try String(value).write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
    }

    deinit {
        // It is empty once the process has been waited for.
        rmdir(path)
    }

    /// What starts a program in the group.
    var prefix: [String] { ["sh", "-c", "echo $$ > \(path)/cgroup.procs && exec \"$@\"", "sh"] }

    /// The most bytes that were in use, with what the kernel holds for its files.
    var peak: Int {
        let name = Self.isFirstVersion ? "memory.max_usage_in_bytes" : "memory.peak"
        let text = try? String(contentsOfFile: path + "/" + name, encoding: .utf8)
        return text.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? .max
    }
}

/// Writes messages to the broker as fast as it was told, on a thread of its own, until it is stopped.
private final class Flood {
    static let rate = 10_000
    private let isStopping = Guarded(false)
    private let sent = Guarded(0)
    private var thread: MartletPosix.Thread?
    private let begin = SystemClock.bootMilliseconds()

    init(port: UInt16, topic: String, _ messages: [[UInt8]]) throws {
        let client = try PlainClient(port: port, id: "flood-\(UUID().uuidString)")
        let batch = 100
        let bytes = (0..<batch).flatMap { PlainClient.message(topic, messages[$0 % messages.count]) }
        nonisolated(unsafe) let (flooding, begin) = (client, begin)
        let (isStopping, sent) = (isStopping, sent)
        thread = try MartletPosix.Thread {
            var count = 0
            while true {
                let due = begin + UInt64(count * 1000 / Self.rate)
                let now = SystemClock.bootMilliseconds()
                let rest = due > now ? Int64(due - now) : 0
                if isStopping.wait(milliseconds: rest, for: { $0 ? true : nil }) == true { break }
                guard (try? flooding.write(bytes)) != nil else { break }
                count += batch
                sent.with { $0 = count }
                sent.notify()
            }
        }
    }

    /// Ends after so many messages at least; gives how many there were in a second, on average.
    func stop(after count: Int) -> Int {
        _ = sent.wait(milliseconds: 60_000) { $0 >= count ? true : nil }
        isStopping.with { $0 = true }
        isStopping.notify()
        thread?.join()
        thread = nil
        let milliseconds = Int(SystemClock.bootMilliseconds() - begin)
        return sent.with { $0 } * 1000 / max(1, milliseconds)
    }
}

@Suite(.serialized, .timeLimit(.minutes(3))) struct FloodTests {
    /// Messages under the operator's name that it never signed.
    private func garbage(_ forger: Forger, knowsChallenge: Bool) throws -> [[UInt8]] {
        try (0..<100).map { index in
            var parts = forger.parts()
            parts.key = forger.stranger
            if !knowsChallenge { parts.set(claim: 10, .bstr((0..<16).map { _ in .random(in: 0...255) })) }
            let message = try parts.message()
            if knowsChallenge { return message }
            switch index % 4 {
            case 0: return message.dropLast(index) + [UInt8](repeating: 0xff, count: index)
            case 1: return [UInt8](repeating: 0x81, count: message.count)
            default: return message
            }
        }
    }

    @Test("CMD-07 the limit of memory holds: a program that wants more is killed")
    func limit() throws {
        let group = try MemoryGroup()
        let program = group.prefix + ["sh", "-c", "head -c 67108864 /dev/zero | tail -n 1 > /dev/null"]
        let child = try ChildProcess(program[0], Array(program.dropFirst()))
        #expect(throws: TestFailure.self) { try child.waitForSuccess() }
        #expect(group.peak >= MemoryGroup.limit)
    }

    @Test("CMD-07 10,000 forged messages a second cost neither memory, nor telemetry, nor the operator's commands")
    func flood() throws {
        let group = try MemoryGroup()
        let port = try LoopbackListener().port
        // A line for each message would be most of the work.
        let bench = try Bench(
            settings: ["log_type none", "log_type information", "listener \(port) 127.0.0.1"], operatorKind: .p256)
        let device = try bench.process(group.prefix)
        defer { device.stop() }
        try device.waitForOutput("resumed this run", seconds: 60)
        let calm = group.peak
        let topic = "martlet/v1/\(DeviceFolder.id)/command"
        let forger = try Forger(bench, earlierChallenge: [])
        var readings = 0

        /// A reading that is taken now arrives.
        func reports() throws {
            readings += 1
            let name = "reading-\(readings)"
            device.write(Array("\(name)\n".utf8))
            _ = try bench.backEnd.waitFor(name) { state in
                bench.backEnd.readings(state).contains { $0.reading.name == Array(name.utf8) } ? true : nil
            }
        }

        func obeys() throws {
            let command = try bench.backEnd.command("count")
            #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        }

        // Whoever does not know the challenge takes nothing away from those who do.
        var flood = try Flood(port: port, topic: topic, garbage(forger, knowsChallenge: false))
        try device.waitForOutput("command refused", seconds: 30)
        for _ in 1...5 {
            try obeys()
            try reports()
        }
        var rate = flood.stop(after: 30_000)
        #expect(rate > Flood.rate * 9 / 10, "\(rate) a second")
        // Everything before this one has arrived when it is answered.
        try obeys()

        // Whoever knows it uses up what may be verified in a second, for as long as the flood lasts.
        flood = try Flood(port: port, topic: topic, garbage(forger, knowsChallenge: true))
        try device.waitForOutput("too many messages to verify", seconds: 30)
        for _ in 1...5 { try reports() }
        rate = flood.stop(after: 30_000)
        #expect(rate > Flood.rate * 9 / 10, "\(rate) a second")
        // The same for this one, which is paid from a budget that the second flood did not touch.
        var last = forger.parts()
        last.set(claim: 10, .bstr([UInt8](repeating: 9, count: 16)))
        try bench.backEnd.publish("command", last.message())
        let digest = try last.digest
        #expect(try bench.backEnd.receipt { $0.digest == digest }.outcome == .stale)
        // The next one has its place within a twentieth of a second; whoever hears nothing signs it again.
        var command = try bench.backEnd.command("count")
        if (try? bench.backEnd.receipt(for: command, seconds: 2)) == nil {
            command = try bench.backEnd.command("count")
        }
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)

        #expect(group.peak < MemoryGroup.limit)
        let (before, most) = (calm / 1024, group.peak / 1024)
        print("CMD-07: \(rate) messages a second; \(before) KiB before the floods, at most \(most) KiB in them")
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)
    }

    @Test("CMD-07 a broker whose message never ends is left, and what it sends is not kept")
    func endless() throws {
        let group = try MemoryGroup()
        let folder = try DeviceFolder(TestAuthority())
        let server = try ScriptedTLSServer(folder.authority.server)
        defer { server.stop() }
        try folder.configure(["port": "\(server.port)"])
        let device = try folder.process(group.prefix)
        defer { device.stop() }
        try server.waitForOutput("MQTT")
        // CONNACK; then the head of the longest PUBLISH there is, and its bytes for as long as they are taken.
        server.write([0x20, 3, 0, 0, 0])
        try device.waitForOutput("info: connected", seconds: 30)
        server.write([0x32, 0xFF, 0xFF, 0xFF, 0x7F])
        let writing = try MartletPosix.Thread {
            let chunk = [UInt8](repeating: 0, count: 1 << 20)
            for _ in 1...256 {
                if server.write(chunk) < chunk.count { break }
            }
        }
        try device.waitForOutput("the server sent more at once than was agreed", seconds: 30)
        server.stop()
        writing.join()
        #expect(group.peak < MemoryGroup.limit)
    }
}
