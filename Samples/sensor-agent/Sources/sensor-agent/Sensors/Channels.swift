// SPDX-License-Identifier: Apache-2.0

/// One number in a file of its own: the reading is (number + offset) × factor / divisor.
struct Channel {
    let name: String
    let unit: StaticString
    var source: Source
    var offset = 0.0
    var factor = 1.0
    /// Apart from the factor, because 51200 / 1000 is 51.2 and 51200 × 0.001 is not.
    var divisor = 1.0
    var parse: (Span<UInt8>) -> Double? = Channel.number

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

    private var channels: [Channel]

    /// Nil if there is none.
    init?(_ channels: [Channel]) {
        guard !channels.isEmpty else { return nil }
        self.channels = Array(channels.prefix(Self.maximumCount))
    }

    func read(into report: inout Report) {
        for i in channels.indices {
            let parse = channels[i].parse
            guard let number = channels[i].source.read(into: &report, parse) else { continue }
            let channel = channels[i]
            report.add(channel.name, (number + channel.offset) * channel.factor / channel.divisor, channel.unit)
        }
    }
}
