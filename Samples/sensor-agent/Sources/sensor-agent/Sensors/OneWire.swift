// SPDX-License-Identifier: Apache-2.0

/// DS18B20 thermometers on a 1-wire bus: `w1/<id>`. Each takes up to 0.75 s to read.
/// https://docs.kernel.org/w1/slaves/w1_therm.html
enum OneWire {
    static func find(on board: inout Board) -> [Channel] {
        var channels: [Channel] = []
        for device in board.instances(of: "28-", in: "/sys/bus/w1/devices") {
            let name = board.names.claim(ReadingName("w1").appending(device.name))
            let hasTemperature = board.names(in: device.path).contains("temperature".bytes)
            // Kernels before 5.9 have the second file only.
            let file = device.path.appending(hasTemperature ? "/temperature" : "/w1_slave")
            channels.append(
                Channel(name: name, unit: "Cel", file: file, divisor: 1000) { bytes in
                    hasTemperature ? Channel.number(in: bytes) : parseSlave(bytes)
                })
        }
        return channels
    }

    /// Thousandths of a degree in `… crc=57 YES` and, on the next line, `… t=23125`; nil if the checksum was wrong.
    static func parseSlave(_ bytes: Span<UInt8>) -> Double? {
        var lines = Scanner(bytes)
        guard let first = lines.line(), first.ends(with: " YES"), let second = lines.line() else { return nil }
        var words = Scanner(second)
        while let word = words.word() {
            if word.count > 2, word.extracting(..<2).equals("t=") { return word.extracting(2...).decimal }
        }
        return nil
    }
}
