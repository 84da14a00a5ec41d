// SPDX-License-Identifier: Apache-2.0

/// Monitoring chips: `hwmon/<chip>/<label>`, without a label `hwmon/<chip>/temp1`.
/// https://docs.kernel.org/hwmon/sysfs-interface.html
enum HardwareMonitors {
    private static func quantity(_ prefix: Span<UInt8>) -> (unit: StaticString, divisor: Double)? {
        if prefix.equals("temp") { return ("Cel", 1000) }
        if prefix.equals("fan") { return ("1/min", 1) }
        if prefix.equals("in") { return ("V", 1000) }
        if prefix.equals("curr") { return ("A", 1000) }
        if prefix.equals("power") { return ("W", 1_000_000) }
        return nil
    }

    static func find(on board: inout Board) -> [Channel] {
        var channels: [Channel] = []
        for chip in board.instances(of: "hwmon", in: "/sys/class/hwmon") {
            let chipName = board.word(chip.path.appending("/name")) ?? chip.name
            for file in board.names(in: chip.path) {
                guard let (channel, unit, divisor) = parse(file.span) else { continue }
                let base = chip.path.appending("/").appending(channel)
                let label = board.word(base.appending("_label")) ?? channel
                channels.append(
                    Channel(
                        name: board.names.claim(ReadingName("hwmon").appending(chipName).appending(label)), unit: unit,
                        file: base.appending("_input"), divisor: divisor))
            }
        }
        return channels
    }

    /// The channel that `temp1_input` belongs to; nil for files that are no input of a known quantity.
    private static func parse(_ file: Span<UInt8>) -> (channel: [UInt8], unit: StaticString, divisor: Double)? {
        guard file.ends(with: "_input") else { return nil }
        let channel = file.extracting(..<(file.count - 6))
        var end = channel.count
        while end > 0, channel[end - 1].isDigit { end -= 1 }
        guard end < channel.count, let (unit, divisor) = quantity(channel.extracting(..<end)) else { return nil }
        return (channel.array, unit, divisor)
    }
}
