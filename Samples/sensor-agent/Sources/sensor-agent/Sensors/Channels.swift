// SPDX-License-Identifier: Apache-2.0

/// One number in a file of its own: the reading is (number + offset) × factor / divisor.
final class Channel {
    let name: String
    let unit: StaticString
    private var source: Source
    private let offset: Double
    private let factor: Double
    /// Apart from the factor, because 51200 / 1000 is 51.2 and 51200 × 0.001 is not.
    private let divisor: Double
    private let parse: (Span<UInt8>) -> Double?

    init(
        name: String, unit: StaticString, file: Path, offset: Double = 0, factor: Double = 1, divisor: Double = 1,
        parse: @escaping (Span<UInt8>) -> Double? = { Channel.number(in: $0) }
    ) {
        self.name = name
        self.unit = unit
        source = Source(file)
        self.offset = offset
        self.factor = factor
        self.divisor = divisor
        self.parse = parse
    }

    func read(into report: inout Report) {
        guard let number = source.read(into: &report, parse) else { return }
        report.add(name, (number + offset) * factor / divisor, unit)
    }

    /// The one number of a file.
    static func number(in bytes: Span<UInt8>) -> Double? {
        var scanner = Scanner(bytes)
        guard let number = scanner.word()?.decimal, scanner.word() == nil else { return nil }
        return number
    }
}

/// The sensors of a kind that the kernel shows as a file for each number: the first 128.
final class Channels: Sensor {
    static let maximumCount = 128

    private let channels: [Channel]

    /// Nil if there is none.
    init?(_ channels: [Channel]) {
        guard !channels.isEmpty else { return nil }
        self.channels = Array(channels.prefix(Self.maximumCount))
    }

    func read(into report: inout Report) {
        for channel in channels { channel.read(into: &report) }
    }
}
