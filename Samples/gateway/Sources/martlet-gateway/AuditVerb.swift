// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct AuditVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Shows and verifies what devices logged.",
        discussion: """
            A device logs every command that it accepted, refused and carried out, and what changed its state. 'run' \
            stores the log as it comes, signed by the device.
            """,
        subcommands: [AuditShow.self, AuditVerify.self])
}

struct AuditDevice: ParsableArguments {
    @Argument(help: "The device id.")
    var device: String

    func validate() throws {
        guard DeviceID.isValid(Array(device.utf8).span) else {
            throw ValidationError("'\(printable(device))' is not a device id.")
        }
    }

    /// The stored log, verified.
    func history(_ directory: GatewayDirectory) throws -> AuditHistory {
        let id = Array(device.utf8)
        let file = try AuditFile(directory, of: id)
        // Before the file: what 'run' stores meanwhile must not look as if it was missing.
        let memory = try DeviceMemoryFiles(directory).read(id)
        let bytes = try file.read()
        if bytes.isEmpty && memory?.journal == nil {
            throw Failure("\(file.path): nothing yet: the device has sent no audit log, or 'run' has not met it")
        }
        return try AuditHistory(
            bytes, of: id, memory: memory, anchors: directory.certificates(GatewayDirectory.File.authority),
            at: SystemClock.unixMilliseconds() / 1000)
    }
}

struct AuditShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows a device's log, verified.",
        discussion: "Exit status: as of 'audit verify'.")

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: AuditDevice

    @Flag(help: "Write JSON lines.")
    var json = false

    func run() throws {
        let place = try directory.open()
        let words = try AuditWords(place)
        let history = try device.history(place)
        for part in history.parts {
            let lines = part.entries.map(words.line)
            if json {
                for object in JSONLines.objects(.audit(part.message, lines, part.verdict)) { print(object.text) }
                continue
            }
            for line in lines { print("\(line.entry.index)  \(line.entry.time.text)  \(line.text)") }
            if let problem = part.verdict.problem { print("!  \(problem)") }
        }
        for text in history.findings {
            print(json ? JSONLines.finding(device.device, text).text : "!  \(text)")
        }
        try history.conclude()
    }
}

struct AuditVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Verifies a device's stored log: signatures, chain, completeness.",
        discussion: """
            Exit status: 0 if all is as the device signed it; 1 if not, then the first bad entry is named; 2 if it is, \
            and the device itself tells that it went back to an earlier state, or that it gave up entries since its \
            history was full. A beginning or an end that was cut off is found against what the gateway remembers of \
            the device.
            """)

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: AuditDevice

    func run() throws {
        let history = try device.history(directory.open())
        let entries = history.parts.flatMap(\.entries)
        for text in history.findings { print("\(device.device): \(text)") }
        if case .some = history.problem { return try history.conclude() }
        guard let first = entries.first, let last = entries.last else {
            print("\(device.device): no entries yet, \(history.pending) announced")
            return
        }
        var text = "\(device.device): entries \(first.index) to \(last.index): signed, linked"
        if history.givenUp.isEmpty { text += ", complete" }
        if first.index > 1 { text += "; what was before this gateway met the device is not known" }
        if history.isForgotten { text += "; a beginning or an end may be cut off: nothing is kept of it in 'memory'" }
        if history.pending > 0 { text += "; \(history.pending) more announced" }
        print(text)
        try history.conclude()
    }
}

extension AuditHistory {
    /// Throws the exit status of what was found.
    fileprivate func conclude() throws {
        if case .some = problem { throw ExitCode.failure }
        if !findings.isEmpty { throw ExitCode(2) }
    }
}
