// SPDX-License-Identifier: Apache-2.0

extension Spool {
    /// Entries in order, first in, first out. Others move only once for many that go.
    struct EntryQueue {
        /// Places that may be empty before the first entry.
        private static let maximumGone = 64

        private var entries: [Entry] = []
        /// Where the first one is. What is before it holds no memory.
        private var start = 0
        /// No entry before this place is unsent.
        private var unsentFrom = 0

        var count: Int { entries.count &- start }
        var isEmpty: Bool { entries.count == start }

        /// The entry that has so many before it; less than `count`.
        subscript(place: Int) -> Entry {
            _read { yield entries[start &+ place] }
            _modify { yield &entries[start &+ place] }
        }

        /// Alone, as the rest of an entry would be copied with it.
        func record(_ place: Int) -> [UInt8] { entries[start &+ place].record }

        /// Where the first unsent entry is.
        mutating func firstUnsent() -> Int? {
            while unsentFrom < count {
                if self[unsentFrom].state == .unsent { return unsentFrom }
                unsentFrom &+= 1
            }
            return nil
        }

        mutating func restore(_ place: Int) {
            self[place].state = .unsent
            unsentFrom = min(unsentFrom, place)
        }

        func firstPlace(where isWanted: (Entry) -> Bool) -> Int? {
            for place in 0..<count where isWanted(self[place]) { return place }
            return nil
        }

        mutating func append(_ entry: Entry) { entries.append(entry) }

        mutating func append(contentsOf more: [Entry]) { entries.append(contentsOf: more) }

        /// There must be one.
        mutating func removeFirst() {
            entries[start].record = []
            start &+= 1
            unsentFrom = max(0, unsentFrom &- 1)
            if start < Self.maximumGone, start < entries.count { return }
            entries.removeFirst(start)
            start = 0
        }
    }
}
