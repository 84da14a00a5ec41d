// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope

/// The writing end of an audit log: numbers its entries and links each to the one before.
public struct AuditChain: Sendable {
    /// Index and hash of the last entry; nil before the first.
    public private(set) var head: ChainHead?

    /// Goes on after `head`, or begins a log.
    public init(after head: ChainHead? = nil) { self.head = head }

    /// Makes the next entry. nil, and nothing changes, if `values` are not those of `kind` or `time` contradicts
    /// itself. The entry counts from here on, so it must be kept: to go back, keep a copy of the chain.
    public mutating func append(
        _ kind: AuditKind, _ values: [AuditValue], at time: AuditTime, hashing: any Hashing
    ) -> [UInt8]? {
        guard let bytes = next(kind, values, at: time) else { return nil }
        link(bytes.span, hashing: hashing)
        return bytes
    }

    /// What `append` would make, after a byte if `first` is one. Nothing changes until `link` takes it, which may be
    /// later: it is the hash that costs.
    public func next(
        _ kind: AuditKind, _ values: [AuditValue], at time: AuditTime, after first: UInt8? = nil
    ) -> [UInt8]? {
        let (index, overflow) = (head?.sequence ?? 0).addingReportingOverflow(1)
        if overflow { return nil }
        return AuditEntry(index: index, previous: head?.digest ?? .zero, kind: kind, time: time, values: values)
            .encoded(after: first)
    }

    /// `entry`, which `next` made, is the last one.
    public mutating func link(_ entry: Span<UInt8>, hashing: any Hashing) {
        head = ChainHead(sequence: (head?.sequence ?? 0) &+ 1, digest: hashing.sha256(entry))
    }

    /// Goes on after what the back end has seen, if that is more than the log has: the device was rolled back. The
    /// next entry is linked to `seen`. False, and nothing changes, if the log is as long.
    public mutating func skip(to seen: ChainHead) -> Bool {
        if seen.sequence <= head?.sequence ?? 0 { return false }
        head = seen
        return true
    }
}
