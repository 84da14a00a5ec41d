// SPDX-License-Identifier: Apache-2.0

/// When to read: at once, then at every interval. Milliseconds since boot.
struct Schedule {
    private var interval: Int64
    private(set) var next: Int64

    init(interval: Int64, startingAt now: Int64) {
        self.interval = interval
        next = now
    }

    /// The next reading is at `now`; later ones follow at the new interval.
    mutating func restart(interval: Int64, at now: Int64) {
        self.interval = interval
        next = now
    }

    /// True if it is time to read. Rounds that were missed, because reading took long or the board slept, are left out.
    mutating func isDue(at now: Int64) -> Bool {
        guard now >= next else { return false }
        next += interval
        if next <= now { next = now + interval }
        return true
    }
}
