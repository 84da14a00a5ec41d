// SPDX-License-Identifier: Apache-2.0

import MartletController

/// A device's own word that it went back to an earlier state: an old image of its storage was put back, or a copy of
/// its storage runs elsewhere.
struct AuditRollback {
    /// The entry that says so.
    private let entry: AuditEntry
    /// The last entry of its own log when it learned of that; nil if the entry is about a lane.
    private let own: UInt64?
    /// Entries that the device had told with another content before.
    private let again: [AuditEntry]

    /// nil if the entry says nothing of that kind. `again`: what was told twice since the one before.
    init?(_ entry: AuditEntry, again: [AuditEntry]) {
        guard entry.kind == .rolledBack, case .number(let what)? = entry.values.first,
            case .number(let number)? = entry.values.last
        else { return nil }
        self.entry = entry
        own = what == 0 ? number : nil
        self.again = again
    }

    var isOfLog: Bool { own != nil }

    /// Whether a log that ends with this index, or another entry there, follows from it.
    func explains(_ index: UInt64) -> Bool { index <= own ?? 0 }

    var text: String {
        var text = "this device went back to an earlier state (entry \(entry.index), run \(entry.time.run)): "
        guard let own else { return text + "it had used higher numbers for its readings before" }
        if let first = again.map(\.index).min(), let last = again.map(\.index).max(),
            let firstRun = again.map(\.time.run).min(), let lastRun = again.map(\.time.run).max()
        {
            text += Self.range("entry", "entries", first, last) + " of " + Self.range("run", "runs", firstRun, lastRun)
            text += " had been told with another content before; "
        }
        guard entry.index > own, entry.index - own > 1 else { return text + "its own log ended with entry \(own)" }
        return text + Self.range("entry", "entries", own + 1, entry.index - 1) + " of before are missing in its own log"
    }

    private static func range(_ one: String, _ many: String, _ first: UInt64, _ last: UInt64) -> String {
        first == last ? "\(one) \(first)" : "\(many) \(first) to \(last)"
    }
}
