// SPDX-License-Identifier: Apache-2.0

/// Seconds since boot: `uptime`.
final class Uptime: Sensor {
    private var source: Source

    init?(on board: Board) {
        source = Source(board.path("/proc/uptime"))
        guard board.word(source.path) != nil else { return nil }
    }

    func read(into report: inout Report) {
        guard let seconds = source.read(into: &report, Self.parse) else { return }
        report.add("uptime", seconds, "s")
    }

    static func parse(_ bytes: Span<UInt8>) -> Double? {
        var words = Scanner(bytes)
        return words.word()?.decimal
    }
}
