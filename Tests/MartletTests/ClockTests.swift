// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletEnvelope
import MartletMessages
import TestSupport
import Testing

/// Devices that learn the time; one whose board begins in 1970 is a process of its own under libfaketime (Debian:
/// faketime).
@Suite(.timeLimit(.minutes(5))) struct ClockTests {
    @Test("CLK-01 CLK-04 a device that begins in 1970 sends readings, learns the time, and obeys from then on")
    func withoutClock() throws {
        let bench = try Bench()
        bench.backEnd.state.with { $0.answersBirths = false }
        let device = try bench.process(FakeTime.command("1970-01-01 00:00:10"))
        defer { device.stop() }
        let begin = Date()
        device.write(Array("early\n".utf8))
        try device.waitForOutput("connected; the server's certificate waits for trusted time", seconds: 60)
        let early = try reading("early", bench)
        let end = Date()
        #expect(early.claims.clock == .untrusted)
        #expect(early.claims.issuedAt == nil)
        guard case .sinceBoot(let boot, _) = early.reading.time else {
            Issue.record("\(early.reading.time)")
            return
        }

        _ = try bench.backEnd.command("count")
        try device.waitForOutput("command refused: the server's certificate waits for trusted time", seconds: 30)
        #expect(!device.output.contains("obeyed"))

        try bench.backEnd.answerBirth()
        try device.waitForOutput("info: time is trusted", seconds: 30)
        _ = try bench.backEnd.event(.clockTrusted)
        let id = Array(DeviceFolder.id.utf8)
        let wallClock = bench.backEnd.state.with { $0.verifier.wallClock(of: id, boot: boot) }
        #expect(wallClock != nil)
        let resolved = early.reading.time.resolved(by: wallClock)
        #expect(isBetween(resolved, begin, end), "\(resolved) is not from \(begin) to \(end)")

        let late = Date()
        device.write(Array("late\n".utf8))
        let second = try reading("late", bench)
        #expect(second.claims.clock == .trusted)
        #expect(isBetween(second.reading.time, late, Date()), "\(second.reading.time)")
        let command = try bench.backEnd.command("count")
        #expect(try bench.backEnd.receipt(for: command).outcome == .done)
        try device.waitForOutput("obeyed")
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty)

        // The log of a whole run at the finest level, and whatever else the process wrote.
        for secret in try Canaries(bench.identity.key).all { #expect(!device.output.contains(secret)) }
        #expect(isClean(device.output.replacingOccurrences(of: "\n", with: "")))
    }

    @Test("CLK-04 a later connection is judged by the time that the back end brought")
    func laterConnection() throws {
        let bench = try HTTPSBench(["wait = 50"])
        let now = Int64(Date().timeIntervalSince1970)
        bench.backEnd.state.with { state in
            state.answersBirths = false
            state.time = UInt64(now) + 2 * 86_400
        }
        let device = try bench.device()
        try device.start()
        _ = try bench.backEnd.waitFor("presence") { $0.presences.isEmpty ? nil : true }
        _ = try bench.waitFor("held exchange") { $0.held > 0 ? true : nil }
        // From the next connection on.
        let (files, next) = (bench.authority.server.files, try bench.authority.server(notAfter: now + 86_400).files)
        for (path, other) in [(files.certificate, next.certificate), (files.key, next.key)] {
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: other, toPath: path)
        }
        try bench.backEnd.answerBirth()
        try bench.waitForLog("time is trusted")
        // The checkpoint ends the exchange that is held, with its connection.
        try bench.waitForLog("the server's certificate has expired")
        device.stop()
    }

    private func reading(_ name: String, _ bench: Bench) throws -> (reading: Reading, claims: Claims) {
        try bench.backEnd.waitFor("reading \(name)", seconds: 60) { state in
            for message in state.messages {
                guard case .telemetry(let readings, _) = message.content else { continue }
                for reading in readings where reading.name == Array(name.utf8) { return (reading, message.claims) }
            }
            return nil
        }
    }

    /// To two seconds: `resume` and `iat` have whole ones.
    private func isBetween(_ time: ReadingTime, _ begin: Date, _ end: Date) -> Bool {
        guard case .absolute(let milliseconds) = time else { return false }
        let seconds = Double(milliseconds) / 1000
        return (begin.timeIntervalSince1970 - 2...end.timeIntervalSince1970 + 2).contains(seconds)
    }
}
