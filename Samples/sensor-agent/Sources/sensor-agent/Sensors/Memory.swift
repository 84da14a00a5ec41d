// SPDX-License-Identifier: Apache-2.0

/// Main memory: `memory/size`, and `memory/available` for programs without swapping.
final class Memory: Sensor {
    private var source: Source

    init?(on board: Board) {
        source = Source(board.path("/proc/meminfo"))
        guard board.word(source.path) != nil else { return nil }
    }

    func read(into report: inout Report) {
        guard let memory = source.read(into: &report, Self.parse) else { return }
        report.add("memory/size", memory.size, "B")
        report.add("memory/available", memory.available, "B")
    }

    /// Bytes.
    static func parse(_ bytes: Span<UInt8>) -> (size: Double, available: Double)? {
        var size: Double?
        var available: Double?
        var lines = Scanner(bytes)
        while let line = lines.line() {
            var words = Scanner(line)
            guard let key = words.word(), let number = words.word()?.unsigned else { continue }
            guard let unit = words.word(), unit.equals("kB") else { continue }
            if key.equals("MemTotal:") { size = Double(number) * 1024 }
            if key.equals("MemAvailable:") { available = Double(number) * 1024 }
        }
        guard let size, let available else { return nil }
        return (size, available)
    }
}
