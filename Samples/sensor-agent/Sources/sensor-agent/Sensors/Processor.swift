// SPDX-License-Identifier: Apache-2.0

/// The part of all processors' time since the last reading in which they worked: `cpu/use`, 0 to 1 in
/// thousandths.
final class Processor: Sensor {
    /// Ticks since boot.
    struct Times {
        var idle: UInt64
        var all: UInt64
    }

    private var source: Source
    private var last: Times?

    init?(on board: Board) {
        source = Source(board.path("/proc/stat"))
        guard let bytes = try? System.read(source.path, limit: source.limit) else { return nil }
        last = Self.parse(bytes.span)
    }

    func read(into report: inout Report) {
        guard let now = source.read(into: &report, Self.parse) else { return }
        if let last, let use = Self.use(from: last, to: now) { report.add("cpu/use", use, "/") }
        last = now
    }

    /// Nil if no tick passed, or the counters went back: the kernel's idle times sometimes do.
    static func use(from last: Times, to now: Times) -> Double? {
        guard now.all > last.all, now.idle >= last.idle, now.idle - last.idle <= now.all - last.all else { return nil }
        let use = 1 - Double(now.idle - last.idle) / Double(now.all - last.all)
        return Double(Int(use * 1000 + 0.5)) / 1000
    }

    /// The line of all processors: user nice system idle iowait irq softirq steal; guests are within user and nice.
    static func parse(_ bytes: Span<UInt8>) -> Times? {
        var lines = Scanner(bytes)
        guard let line = lines.line() else { return nil }
        var words = Scanner(line)
        guard let key = words.word(), key.equals("cpu") else { return nil }
        var times = Times(idle: 0, all: 0)
        for column in 0..<8 {
            guard let ticks = words.word()?.unsigned else { return nil }
            times.all &+= ticks
            if column == 3 || column == 4 { times.idle &+= ticks }
        }
        return times
    }
}
