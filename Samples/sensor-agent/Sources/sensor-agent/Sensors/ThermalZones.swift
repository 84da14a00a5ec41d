// SPDX-License-Identifier: Apache-2.0

/// The kernel's thermal zones, such as the processor's: `thermal/<type>`.
/// https://docs.kernel.org/driver-api/thermal/sysfs-api.html
enum ThermalZones {
    static func find(on board: inout Board) -> [Channel] {
        var channels: [Channel] = []
        for zone in board.instances(of: "thermal_zone", in: "/sys/class/thermal") {
            let type = board.word(zone.path.appending("/type")) ?? zone.name
            channels.append(
                Channel(
                    name: board.names.claim(ReadingName("thermal").appending(type)), unit: "Cel",
                    file: zone.path.appending("/temp"), divisor: 1000))
        }
        return channels
    }
}
