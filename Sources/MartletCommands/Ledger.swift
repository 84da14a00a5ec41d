// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
public import MartletEnvelope
internal import MartletMessages

/// A command's name among all commands of all controllers.
public struct CommandKey: Hashable, Sendable {
    public let controller: KeyID
    public let id: Bytes16

    public init(controller: KeyID, id: Bytes16) {
        self.controller = controller
        self.id = id
    }
}

/// Which commands were accepted, and how they ended, so that a command sent again gets its receipt again.
///
/// It lives in memory and ends with the run. That is safe, since the challenge ends with the run too; only the
/// outcome of a command that the run's end cut off is then unknown.
struct Ledger {
    /// The most ids that are kept; the oldest finished ones go first.
    static let capacity = 128

    final class Entry {
        let key: CommandKey
        let digest: Digest
        /// nil while the handler has not ended.
        var receipt: Receipt?

        init(key: CommandKey, digest: Digest) {
            self.key = key
            self.digest = digest
        }

        var hasEnded: Bool { if case .some = receipt { true } else { false } }
    }

    private var entries: [Entry] = []

    func entry(_ key: CommandKey) -> Entry? {
        entries.first { $0.key == key }
    }

    /// False if all places are taken by commands that have not ended.
    mutating func accept(_ key: CommandKey, digest: Digest) -> Bool {
        if entries.count >= Self.capacity {
            guard let oldest = entries.firstIndex(where: { $0.hasEnded }) else { return false }
            entries.remove(at: oldest)
        }
        entries.append(Entry(key: key, digest: digest))
        return true
    }

    /// The receipt of a command that ended just now; nil if it was not waiting for one.
    func finish(_ key: CommandKey, _ outcome: Outcome, results: [CommandValue]) -> Receipt? {
        guard let entry = entry(key), !entry.hasEnded else { return nil }
        let receipt = Receipt(
            command: key.id, controller: key.controller, outcome: outcome, digest: entry.digest, results: results)
        entry.receipt = receipt
        return receipt
    }
}
