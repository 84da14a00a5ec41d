// SPDX-License-Identifier: Apache-2.0

/// Sensors of the kernel's Industrial I/O: `iio/<device>/<channel>`, such as `iio/bme280/temp`.
/// https://docs.kernel.org/driver-api/iio/core.html, Documentation/ABI/testing/sysfs-bus-iio
enum IndustrialIO {
    /// What one of the kernel's units is of ours; nil for quantities without a SenML unit.
    private static func quantity(_ type: Span<UInt8>) -> (unit: StaticString, factor: Double, divisor: Double)? {
        if type.equals("temp") { return ("Cel", 1, 1000) }
        if type.equals("humidityrelative") { return ("%RH", 1, 1000) }
        if type.equals("pressure") { return ("Pa", 1000, 1) }
        if type.equals("voltage") { return ("V", 1, 1000) }
        if type.equals("current") { return ("A", 1, 1000) }
        if type.equals("power") { return ("W", 1, 1000) }
        if type.equals("illuminance") { return ("lx", 1, 1) }
        return nil
    }

    static func find(on board: inout Board) -> [Channel] {
        var channels: [Channel] = []
        for device in board.instances(of: "iio:device", in: "/sys/bus/iio/devices") {
            let name = ReadingName("iio").appending(board.word(device.path.appending("/name")) ?? device.name)
            let files = board.names(in: device.path)
            for file in files {
                guard let (id, isRaw) = parse(file.span) else { continue }
                // A channel that the driver has already worked out needs no second reading.
                if isRaw, files.contains("in_".bytes + id + "_input".bytes) { continue }
                guard let (unit, factor, divisor) = quantity(typeOf(id.span)) else { continue }
                let path = device.path.appending("/in_").appending(id)
                var (offset, scale) = (0.0, 1.0)
                if isRaw {
                    // Scale and offset belong to the channel, or to all channels of its type.
                    let shared = device.path.appending("/in_").appending(id.filter { !$0.isDigit })
                    scale = board.number(path.appending("_scale")) ?? board.number(shared.appending("_scale")) ?? 1
                    offset = board.number(path.appending("_offset")) ?? board.number(shared.appending("_offset")) ?? 0
                }
                channels.append(
                    Channel(
                        name: board.names.claim(name.appending(id)), unit: unit,
                        file: path.appending(isRaw ? "_raw" : "_input"), offset: offset, factor: factor * scale,
                        divisor: divisor))
            }
        }
        return channels
    }

    /// The channel that `in_voltage0_raw` or `in_temp_input` belongs to; nil for other files.
    private static func parse(_ file: Span<UInt8>) -> (id: [UInt8], isRaw: Bool)? {
        guard file.count > 3, file.extracting(..<3).equals("in_") else { return nil }
        let rest = file.extracting(3...)
        if rest.ends(with: "_raw") { return (rest.extracting(..<(rest.count - 4)).array, true) }
        if rest.ends(with: "_input") { return (rest.extracting(..<(rest.count - 6)).array, false) }
        return nil
    }

    /// `voltage` of `voltage0`, `voltage0-voltage1` and `voltage_ambient`.
    @_lifetime(copy id)
    private static func typeOf(_ id: Span<UInt8>) -> Span<UInt8> {
        var end = 0
        while end < id.count, id[end] >= UInt8(ascii: "a"), id[end] <= UInt8(ascii: "z") { end += 1 }
        return id.extracting(..<end)
    }
}
