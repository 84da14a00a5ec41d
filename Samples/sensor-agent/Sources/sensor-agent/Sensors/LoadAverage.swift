// SPDX-License-Identifier: Apache-2.0

/// Processes that run or wait for a processor or disk, averaged: `load/1min`, `load/5min`, `load/15min`.
final class LoadAverage: Sensor {
    private var source: Source

    init?(on board: Board) {
        source = Source(board.path("/proc/loadavg"))
        guard board.word(source.path) != nil else { return nil }
    }

    func read(into report: inout Report) {
        guard let load = source.read(into: &report, Self.parse) else { return }
        report.add("load/1min", load.one, "count")
        report.add("load/5min", load.five, "count")
        report.add("load/15min", load.fifteen, "count")
    }

    static func parse(_ bytes: Span<UInt8>) -> (one: Double, five: Double, fifteen: Double)? {
        var words = Scanner(bytes)
        guard let one = words.word()?.decimal, let five = words.word()?.decimal, let fifteen = words.word()?.decimal
        else { return nil }
        return (one, five, fifteen)
    }
}
