// SPDX-License-Identifier: Apache-2.0

public import MartletSession

/// A state file in memory: what survives when a device is started again.
public final class MemoryStore: StateStore {
    public var content: [UInt8]?
    /// Whether saving fails, as on a full or worn-out disk.
    public var fails = false
    /// How often something was saved.
    public private(set) var saves = 0

    public init(_ content: [UInt8]? = nil) { self.content = content }

    public func load() -> [UInt8]? { content }

    public func save(_ bytes: Span<UInt8>) -> Bool {
        if fails { return false }
        var copy: [UInt8] = []
        for index in bytes.indices { copy.append(bytes[index]) }
        content = copy
        saves += 1
        return true
    }
}
