// SPDX-License-Identifier: Apache-2.0

import MartletController

/// A device's stored audit log, verified anew: signatures, chain, and where it must end. Only the authority is taken
/// for granted.
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
    /// Entries that the device announced and that have not come yet.
    private(set) var pending: UInt64 = 0
    private var seen: DeviceMemory?

    /// `memory` is what the gateway keeps of the device apart from the file; `time`: seconds since 1970.
    init(_ bytes: [UInt8], of device: [UInt8], memory: DeviceMemory?, anchors: [Certificate], at time: Int64)
        throws(OpenSSLError)
    {
        let verifier = try DeviceVerifier(anchors: anchors, maximumDevices: 1)
        let sequence = EnvelopeSequence(bytes.span)
        for item in sequence.items {
            let envelope = bytes.span.extracting(item)
            do throws(VerificationError) {
                take(try Self.verify(envelope, device, verifier, time))
            } catch {
                found(next(verifier, device), "is in a message that does not verify: \(error.words)")
            }
            seen = verifier.memory(of: device)
        }
        if let bad = sequence.bad {
            found(next(verifier, device), "cannot be read: byte \(bad) of the file is not the beginning of a message")
        }
        end(memory)
    }

    /// A certificate that has expired since is judged at the time that its birth states.
    private static func verify(
        _ envelope: Span<UInt8>, _ device: [UInt8], _ verifier: DeviceVerifier, _ time: Int64
    ) throws(VerificationError) -> DeviceMessage {
        let claims = try? Envelope(decoding: envelope).claims
        let purpose: Purpose = claims?.purpose == .birth ? .birth : .checkpoint
        do throws(VerificationError) {
            return try verifier.verify(envelope, from: device.span, as: purpose, at: time, now: 0)
        } catch {
            guard error == .untrustedCertificate(.expired), let stated = claims?.issuedAt else { throw error }
            return try verifier.verify(
                envelope, from: device.span, as: purpose, at: Int64(clamping: stated), now: 0)
        }
    }

    private mutating func take(_ message: DeviceMessage) {
        switch message.content {
        case .checkpoint(let entries, let checkpoint, let verdict):
            parts.append(Part(message: message, entries: entries, verdict: verdict))
            found(verdict, checkpoint.head.sequence)
        case .birth(let birth, _):
            guard let verdict = message.journal, let head = birth.journal, verdict.problem != nil else { return }
            parts.append(Part(message: message, entries: [], verdict: verdict))
            found(verdict, head.sequence)
        default: break
        }
    }

    private mutating func found(_ verdict: AuditVerdict, _ head: UInt64) {
        guard problem == nil, let text = verdict.problem else { return }
        switch verdict {
        case .hole(let index, _), .fork(let index), .broken(let index, _): problem = Problem(index: index, text: text)
        default: problem = Problem(index: head, text: "at entry \(head) " + text)
        }
    }

    private mutating func found(_ index: UInt64, _ text: String) {
        if problem == nil { problem = Problem(index: index, text: "entry \(index) " + text) }
    }

    private func next(_ verifier: DeviceVerifier, _ device: [UInt8]) -> UInt64 {
        (verifier.memory(of: device)?.journal?.sequence ?? 0) &+ 1
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
