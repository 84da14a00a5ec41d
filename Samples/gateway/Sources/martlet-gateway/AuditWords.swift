// SPDX-License-Identifier: Apache-2.0

import MartletController

/// An entry of an audit log, and what it says.
struct AuditLine {
    let entry: AuditEntry
    let text: String
}

/// Says in words what entries of audit logs mean.
final class AuditWords {
    private static let maximumCommands = 1024

    /// Names of controllers, by key.
    private let controllers: [KeyID: String]
    /// Names of commands, by id: only their acceptance tells.
    private var commands: [[UInt8]: String] = [:]

    init(controllers: [KeyID: String]) { self.controllers = controllers }

    convenience init(_ directory: GatewayDirectory) throws(Failure) {
        var controllers: [KeyID: String] = [:]
        for party in Party.controllers {
            let pem = try directory.read(party.publicKey)
            let id = try issue(party.publicKey) { () throws(OpenSSLError) in
                let spki = try PublicKey(pem: pem.span).spki
                return KeyID(ofKey: Digest(try SHA256().digest(spki.span)))
            }
            controllers[id] = String(decoding: party.issuer, as: UTF8.self)
        }
        self.init(controllers: controllers)
    }

    func line(_ entry: AuditEntry) -> AuditLine { AuditLine(entry: entry, text: words(entry)) }

    private func words(_ entry: AuditEntry) -> String {
        let numbers = entry.values.map { if case .number(let number) = $0 { number } else { UInt64(0) } }
        let first = numbers.first ?? 0
        switch entry.kind {
        case .started: return "run \(first) began"
        case .accepted: return "\(command(entry.values)) from \(controller(first)) accepted"
        case .refused:
            return "\(command(entry.values)) from \(controller(first)) refused: \(outcome(numbers.last ?? 0))"
        case .ended: return "\(command(entry.values)) from \(controller(first)) ended: \(outcome(numbers.last ?? 0))"
        case .refusals: return "messages dropped: \(Self.refusals(numbers))"
        case .trusted: return "trust document \(first) is in force"
        case .clock: return "the time became trusted: \(Self.time(first))"
        case .connection: return "connection \(numbers.last ?? 0) \(first == 0 ? "ended" : "began")"
        case .rolledBack: return Self.rollback(entry, first, numbers.last ?? 0)
        case .damaged: return "state was lost or damaged: \(first) \(first == 1 ? "place" : "places") of the journal"
        case .givenUp: return "entries \(first) to \(numbers.last ?? 0) were given up before they were told"
        case .lifecycle: return first == 0 ? "the device was suspended" : "the device was activated"
        case nil: return "kind \(entry.code), not known to this version"
        }
    }

    /// The command's name, if it was accepted, and the first half of its id.
    private func command(_ values: [AuditValue]) -> String {
        guard values.count > 3, case .bytes(let id) = values[1] else { return "command" }
        if case .text(let name) = values[3] {
            if commands.count >= Self.maximumCommands { commands = [:] }
            commands[id] = printable(name)
        }
        return "command \(commands[id].map { $0 + " " } ?? "")(\(hex(Array(id.prefix(8)))))"
    }

    private func controller(_ id: UInt64) -> String {
        controllers[KeyID(id)] ?? "the key \(hex((0..<8).map { UInt8(truncatingIfNeeded: id >> (56 - 8 * $0)) }))"
    }

    private func outcome(_ code: UInt64) -> String {
        Outcome(rawValue: UInt8(clamping: code))?.words ?? "outcome \(code)"
    }

    private static func refusals(_ numbers: [UInt64]) -> String {
        var parts = stride(from: 0, to: numbers.count - 1, by: 2).map { place in
            let refusal = Refusal(rawValue: UInt8(clamping: numbers[place]))
            return "\(numbers[place + 1]) \(refusal?.words ?? "refusal \(numbers[place])")"
        }
        if numbers.count % 2 == 1, let others = numbers.last { parts.append("\(others) others") }
        return parts.joined(separator: ", ")
    }

    private static func rollback(_ entry: AuditEntry, _ what: UInt64, _ own: UInt64) -> String {
        let text = "the device went back to an earlier state: "
        if what > 0 {
            let lane = Lane(rawValue: UInt8(clamping: what - 1))?.text ?? "\(what - 1)"
            return text + "its own next number of lane \(lane) was \(own)"
        }
        let isLonger = entry.index > own && entry.index - own > 1
        return text + "its own log ended with entry \(own)" + (isLonger ? ", not with \(entry.index - 1)" : "")
    }

    static func time(_ seconds: UInt64) -> String {
        timestamp(milliseconds: Int64(clamping: seconds).multipliedReportingOverflow(by: 1000).partialValue) ?? "?"
    }
}

extension AuditTime {
    /// The time of day, or else the place in the boot.
    var text: String { seconds.map(AuditWords.time) ?? "boot + \(decimal(Double(boot) / 1000)) s" }
}

extension AuditEntry {
    /// Its kind, for programs.
    var kindText: String {
        switch kind {
        case .started: "started"
        case .accepted: "accepted"
        case .refused: "refused"
        case .ended: "ended"
        case .refusals: "refusals"
        case .trusted: "trusted"
        case .clock: "clock"
        case .connection: "connection"
        case .rolledBack: "rolled-back"
        case .damaged: "damaged"
        case .lifecycle: "lifecycle"
        case .givenUp: "given-up"
        case nil: "unknown-\(code)"
        }
    }
}

extension AuditVerdict {
    var text: String {
        switch self {
        case .linked: "linked"
        case .beginning: "beginning"
        case .announced: "announced"
        case .repeated: "repeated"
        case .hole: "hole"
        case .givenUp: "given-up"
        case .fork: "fork"
        case .rolledBack: "rolled-back"
        case .broken: "broken"
        }
    }

    /// What is wrong, in a sentence; nil if nothing is.
    var problem: String? {
        switch self {
        case .linked, .beginning, .announced, .repeated: nil
        case .hole(let first, let last):
            first == last ? "entry \(first) is missing" : "entries \(first) to \(last) are missing"
        case .givenUp(let first, let last):
            "the device gave up \(first == last ? "entry \(first)" : "entries \(first) to \(last)"): its history was full"
        case .fork(let index):
            "there is another entry \(index): the device's state was copied or restored, or its key is used elsewhere"
        case .rolledBack:
            "it ends below what was seen: the device's state was rolled back, or an old message came again"
        case .broken(let index, let flaw): "entry \(index) \(flaw.text)"
        }
    }
}

extension AuditFlaw {
    /// What follows after "entry 5".
    fileprivate var text: String {
        switch self {
        case .notAnEntry: "is none: its bytes were changed"
        case .missing: "is missing"
        case .outOfPlace: "is not where it belongs"
        case .unlinked: "does not name the entry before it: it was changed or put in"
        case .changed: "was changed: its hash is not the one that was signed"
        case .beyondHead: "was added after the signed end"
        }
    }
}

extension Refusal {
    fileprivate var words: String { text.withUTF8Buffer { String(decoding: $0, as: UTF8.self) } }
}
