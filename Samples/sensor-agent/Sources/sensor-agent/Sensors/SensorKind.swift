// SPDX-License-Identifier: Apache-2.0

import Martlet

/// What the agent can read, by the names that the configuration uses.
enum SensorKind: CaseIterable {
    case thermal, hwmon, iio, w1, load, memory, disk, network, uptime, cpu

    var name: StaticString {
        switch self {
        case .thermal: "thermal"
        case .hwmon: "hwmon"
        case .iio: "iio"
        case .w1: "w1"
        case .load: "load"
        case .memory: "memory"
        case .disk: "disk"
        case .network: "network"
        case .uptime: "uptime"
        case .cpu: "cpu"
        }
    }

    /// Looks for the sensors of this kind; nil if the board has none.
    func find(on board: inout Board) -> (any Sensor)? {
        switch self {
        case .thermal: Channels(ThermalZones.find(on: &board))
        case .hwmon: Channels(HardwareMonitors.find(on: &board))
        case .iio: Channels(IndustrialIO.find(on: &board))
        case .w1: Channels(OneWire.find(on: &board))
        case .load: LoadAverage(on: board)
        case .memory: Memory(on: board)
        case .disk: Disk(on: board)
        case .network: Network(on: board)
        case .uptime: Uptime(on: board)
        case .cpu: Processor(on: board)
        }
    }
}

/// The sensors that were found.
struct Sensors {
    private var sensors: [any Sensor] = []
    /// What was not found.
    private(set) var notes: [Note] = []

    init(_ kinds: [SensorKind], root: Path) {
        var board = Board(root: root)
        for kind in kinds {
            if let sensor = kind.find(on: &board) {
                sensors.append(sensor)
            } else {
                var text = Text("no ")
                text.add(kind.name)
                text.add(" sensor found, skipped")
                notes.append(Note(level: .info, text: text))
            }
        }
    }

    func read() -> Report {
        var report = Report()
        for sensor in sensors { sensor.read(into: &report) }
        return report
    }
}
