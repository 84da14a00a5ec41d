// SPDX-License-Identifier: Apache-2.0

import MartletController

/// A device's stored audit log, verified anew: signatures, chain, where it must begin and end. Only the authority and
/// the gateway's own memory are taken for granted.
struct AuditHistory {
    /// One stored message.
    struct Part {
        let message: DeviceMessage
        let entries: [AuditEntry]
        let verdict: AuditVerdict
    }

    /// The first index that is not as it must be, and why.
    struct Problem {
        let index: UInt64
        let text: String
    }

    private(set) var parts: [Part] = []
    private(set) var problem: Problem?
    /// Where the device itself says that it went back to an earlier state.
    private(set) var rollbacks: [AuditRollback] = []
    /// Entries that are missing, and of which the device itself says that they were given up.
    private(set) var givenUp: [ClosedRange<UInt64>] = []
    /// Entries that the device announced and that have not come yet.
    private(set) var pending: UInt64 = 0
    /// Whether the gateway remembers nothing, so that nobody knows where the log must begin and end.
    let isForgotten: Bool
    private var seen: DeviceMemory?
    /// The first version of each entry.
    private var told: [UInt64: AuditEntry] = [:]
    /// Entries that had been told with another content before, since the last rollback.
    private var again: [AuditEntry] = []
    /// What contradicts what was seen before, until the device says that it went back.
    private var contradictions: [Problem] = []
    /// Entries that are missing, until the device says that it gave them up.
    private var holes: [ClosedRange<UInt64>] = []

    /// All that must not be overlooked, in words.
    var findings: [String] {
        let problem = problem.map { "NOT in order: \($0.text). First bad entry: \($0.index)" }
        let given = givenUp.compactMap { AuditVerdict.givenUp(first: $0.lowerBound, last: $0.upperBound).problem }
        return (rollbacks.map(\.text) + given).map { "FINDING: " + $0 } + (problem.map { [$0] } ?? [])
    }

    /// `memory` is what the gateway keeps of the device apart from the file; `time`: seconds since 1970.
    init(_ bytes: [UInt8], of device: [UInt8], memory: DeviceMemory?, anchors: [Certificate], at time: Int64)
        throws(OpenSSLError)
    {
        if case nil = memory { isForgotten = true } else { isForgotten = false }
        let verifier = try DeviceVerifier(anchors: anchors, maximumDevices: 1)
        let sequence = EnvelopeSequence(bytes.span)
        for item in sequence.items {
            let envelope = bytes.span.extracting(item)
            do throws(VerificationError) {
                take(try Self.verify(envelope, device, verifier, memory, time))
            } catch {
                found(next(verifier, device), "is in a message that does not verify: \(error.words)")
            }
            seen = verifier.memory(of: device)
        }
        if let bad = sequence.bad {
            found(next(verifier, device), "cannot be read: byte \(bad) of the file is not the beginning of a message")
        }
        settle()
        if let hole = holes.first, problem.map({ hole.lowerBound < $0.index }) ?? true {
            let text = AuditVerdict.hole(first: hole.lowerBound, last: hole.upperBound).problem ?? ""
            problem = Problem(index: hole.lowerBound, text: text)
        }
        begin(memory)
        end(memory)
    }

    /// A certificate is judged at the time at which the gateway received its birth; if that is no longer known, now,
    /// or if it has expired since, at the time that the birth states.
    private static func verify(
        _ bytes: Span<UInt8>, _ device: [UInt8], _ verifier: DeviceVerifier, _ memory: DeviceMemory?, _ time: Int64
    ) throws(VerificationError) -> DeviceMessage {
        let envelope = try? Envelope(decoding: bytes)
        let purpose: Purpose = envelope?.claims.purpose == .birth ? .birth : .checkpoint
        let certificate = envelope?.x5chain.first.map { [UInt8](copying: bytes.extracting($0)) }
        let received = memory?.keys.first { $0.chain.first == certificate }?.received
        do throws(VerificationError) {
            return try verifier.verify(bytes, from: device.span, as: purpose, at: received ?? time, now: 0)
        } catch {
            guard error == .untrustedCertificate(.expired), let stated = envelope?.claims.issuedAt else { throw error }
            return try verifier.verify(bytes, from: device.span, as: purpose, at: Int64(clamping: stated), now: 0)
        }
    }

    private mutating func take(_ message: DeviceMessage) {
        switch message.content {
        case .checkpoint(let entries, let checkpoint, let verdict):
            parts.append(Part(message: message, entries: entries, verdict: verdict))
            // A log that goes on as if nothing had been is that of another device.
            if verdict == .linked, !entries.contains(where: { $0.kind == .rolledBack }) { settle() }
            found(verdict, checkpoint.head.sequence)
            for entry in entries { take(entry) }
        case .birth(let birth, _):
            guard let verdict = message.journal, let head = birth.journal, verdict.problem != nil else { return }
            parts.append(Part(message: message, entries: [], verdict: verdict))
            found(verdict, head.sequence)
        default: break
        }
    }

    private mutating func take(_ entry: AuditEntry) {
        if let rollback = AuditRollback(entry, again: again) {
            rollbacks.append(rollback)
            contradictions.removeAll { rollback.explains($0.index) }
            if rollback.isOfLog { again = [] }
        }
        // The device tells of it in the part that leaves the hole, or in a later one.
        if entry.kind == .givenUp, case .number(let first)? = entry.values.first,
            case .number(let last)? = entry.values.last
        {
            let isNamed = { (hole: ClosedRange<UInt64>) in first <= hole.lowerBound && hole.upperBound <= last }
            givenUp += holes.filter(isNamed)
            holes.removeAll(where: isNamed)
        }
        if let first = told[entry.index] {
            if first != entry { again.append(entry) }
        } else {
            told[entry.index] = entry
        }
    }

    private mutating func found(_ verdict: AuditVerdict, _ head: UInt64) {
        guard let text = verdict.problem else { return }
        switch verdict {
        case .fork(let index): contradictions.append(Problem(index: index, text: text))
        case .rolledBack: contradictions.append(Problem(index: head, text: "at entry \(head) " + text))
        case .hole(let first, let last), .givenUp(let first, let last):
            if !holes.contains(first...last) { holes.append(first...last) }
        case .broken(let index, _):
            if case nil = problem { problem = Problem(index: index, text: text) }
        default: break
        }
    }

    private mutating func found(_ index: UInt64, _ text: String) {
        if case nil = problem { problem = Problem(index: index, text: "entry \(index) " + text) }
    }

    private func next(_ verifier: DeviceVerifier, _ device: [UInt8]) -> UInt64 {
        (verifier.memory(of: device)?.journal?.sequence ?? 0) &+ 1
    }

    /// What no rollback explained is wrong.
    private mutating func settle() {
        if case nil = problem { problem = contradictions.first }
        contradictions = []
    }

    /// The file must begin as what arrived did, or before: the memory may be younger than the file.
    private mutating func begin(_ memory: DeviceMemory?) {
        guard let first = memory?.journalFirst, let own = seen?.journalFirst, own != first,
            own.sequence >= first.sequence
        else { return }
        problem = Problem(
            index: first.sequence,
            text: own.sequence > first.sequence
                ? "entry \(first.sequence) is missing: the file begins with entry \(own.sequence)"
                : "entry \(first.sequence) is not the one that arrived first")
    }

    /// The file must hold all that arrived.
    private mutating func end(_ memory: DeviceMemory?) {
        let last = seen?.journal
        if let taken = memory?.journal {
            if taken.sequence > last?.sequence ?? 0 {
                found((last?.sequence ?? 0) + 1, "is missing: the log goes to entry \(taken.sequence)")
            } else if taken.sequence == last?.sequence, taken != last {
                found(taken.sequence, "is not the one that arrived")
            }
        }
        let announced = max(memory?.journalSeen?.sequence ?? 0, seen?.journalSeen?.sequence ?? 0)
        let arrived = max(last?.sequence ?? 0, memory?.journal?.sequence ?? 0)
        pending = announced > arrived ? announced - arrived : 0
    }
}
