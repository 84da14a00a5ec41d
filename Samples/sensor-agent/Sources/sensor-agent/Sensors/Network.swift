// SPDX-License-Identifier: Apache-2.0

/// Bytes since boot of each network interface but the loopback: `network/<interface>/received` and `…/sent`.
/// Interfaces come and go, so they are looked for at every reading; 32 of them count.
final class Network: Sensor {
    static let maximumInterfaceCount = 32

    private var source: Source

    init?(on board: Board) {
        source = Source(board.path("/proc/net/dev"), limit: 16_384)
        guard board.word(source.path) != nil else { return nil }
    }

    func read(into report: inout Report) {
        guard let interfaces = source.read(into: &report, Self.parse) else { return }
        for interface in interfaces {
            let name = ReadingName("network").appending(interface.name)
            report.add(name.appending("received").string, interface.received, "B")
            report.add(name.appending("sent").string, interface.sent, "B")
        }
    }

    /// Nil if a line of an interface is not understood.
    static func parse(_ bytes: Span<UInt8>) -> [(name: [UInt8], received: Double, sent: Double)]? {
        var result: [(name: [UInt8], received: Double, sent: Double)] = []
        var lines = Scanner(bytes)
        // The two lines above the table.
        guard lines.line() != nil, lines.line() != nil else { return nil }
        // Only whole lines: the file may be longer than what was read of it.
        while result.count < maximumInterfaceCount, let line = lines.cut(at: UInt8(ascii: "\n")) {
            var columns = Scanner(line)
            guard let before = columns.cut(at: UInt8(ascii: ":")) else { return nil }
            var names = Scanner(before)
            guard let name = names.word(), let received = columns.word()?.unsigned else { return nil }
            for _ in 2...8 { _ = columns.word() }
            guard let sent = columns.word()?.unsigned else { return nil }
            if !name.equals("lo") { result.append((name.array, Double(received), Double(sent))) }
        }
        return result
    }
}
