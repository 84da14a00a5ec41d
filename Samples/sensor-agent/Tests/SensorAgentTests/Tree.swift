// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import sensor_agent

/// A folder that stands for the root of a board's file system; gone with the object.
final class Tree {
    let url: URL

    /// Files by their paths below the root.
    init(_ files: [String: String]) throws {
        url = FileManager.default.temporaryDirectory.appending(path: "sensor-agent-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for (path, content) in files { try write(Array(content.utf8), to: path) }
    }

    deinit {
        try? FileManager.default.removeItem(at: url)
    }

    var root: Path { Path(Array(url.path.utf8)) }

    func write(_ content: [UInt8], to path: String) throws {
        let file = url.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(content).write(to: file)
    }

    func remove(_ path: String) throws {
        try FileManager.default.removeItem(at: url.appending(path: path))
    }
}

extension Tree {
    /// The files of a board with every kind of sensor, as the kernel writes them.
    static let board: [String: String] = [
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "51200\n",
        "sys/class/thermal/thermal_zone1/type": "gpu thermal\n",
        "sys/class/thermal/thermal_zone1/temp": "-1500",
        "sys/class/thermal/thermal_zone10/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone10/temp": "0\n",
        "sys/class/thermal/cooling_device0/type": "Processor\n",
        "sys/class/hwmon/hwmon0/name": "pwmfan\n",
        "sys/class/hwmon/hwmon0/fan1_input": "3120\n",
        "sys/class/hwmon/hwmon0/pwm1": "128\n",
        "sys/class/hwmon/hwmon1/name": "ina219\n",
        "sys/class/hwmon/hwmon1/in0_input": "9\n",
        "sys/class/hwmon/hwmon1/in1_input": "5124\n",
        "sys/class/hwmon/hwmon1/in1_label": "5 V rail\n",
        "sys/class/hwmon/hwmon1/curr1_input": "873\n",
        "sys/class/hwmon/hwmon1/power1_input": "4460000\n",
        "sys/class/hwmon/hwmon1/temp1_input": "38750\n",
        "sys/class/hwmon/hwmon1/temp1_max": "100000\n",
        "sys/class/hwmon/hwmon1/humidity1_input": "1\n",
        "sys/bus/iio/devices/iio:device0/name": "bme280\n",
        "sys/bus/iio/devices/iio:device0/in_temp_input": "21340\n",
        "sys/bus/iio/devices/iio:device0/in_temp_raw": "1\n",
        "sys/bus/iio/devices/iio:device0/in_humidityrelative_input": "45123\n",
        "sys/bus/iio/devices/iio:device0/in_pressure_input": "101.325000000\n",
        "sys/bus/iio/devices/iio:device0/in_pressure_oversampling_ratio": "16\n",
        "sys/bus/iio/devices/iio:device1/name": "ads1015\n",
        "sys/bus/iio/devices/iio:device1/in_voltage0_raw": "1100\n",
        "sys/bus/iio/devices/iio:device1/in_voltage0_scale": "3.0\n",
        "sys/bus/iio/devices/iio:device1/in_voltage1_raw": "500\n",
        "sys/bus/iio/devices/iio:device1/in_voltage1_offset": "-100\n",
        "sys/bus/iio/devices/iio:device1/in_voltage_scale": "2.000000000\n",
        "sys/bus/iio/devices/iio:device1/in_voltage0-voltage1_raw": "-250\n",
        "sys/bus/iio/devices/iio:device1/in_voltage-voltage_scale": "4\n",
        "sys/bus/iio/devices/iio:device1/in_proximity_raw": "7\n",
        "sys/bus/w1/devices/28-0316a2795e1b/temperature": "23125\n",
        "sys/bus/w1/devices/28-0316a2795e1b/w1_slave": "garbage",
        "sys/bus/w1/devices/28-0316a2795eff/w1_slave":
            "f8 ff 4b 46 7f ff 0c 10 57 : crc=57 YES\nf8 ff 4b 46 7f ff 0c 10 57 t=-500\n",
        "sys/bus/w1/devices/w1_bus_master1/w1_master_name": "w1_bus_master1\n",
        "proc/loadavg": "0.08 1.5 12.00 2/180 4711\n",
        "proc/meminfo":
            "MemTotal:  948304 kB\nMemFree:  100000 kB\nMemAvailable:  612345 kB\nHugePages_Total:  0\n",
        "proc/net/dev": """
        Inter-|   Receive                          |  Transmit
         face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls …
            lo:    3245      30    0    0    0     0   0  0     3245      30    0    0    0     0       0   0
          eth0: 18446744073709551615 9 0 0   0     0   0  0   409600      10    0    0    0     0       0   0
        wlan0.1:7 1 0 0 0 0 0 0 8 1 0 0 0 0 0 0

        """,
        "proc/uptime": "86400.25 170000.10\n",
        "proc/stat": "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 100 0 100 700 100 0 0 0 0 0\nintr 1\n",
    ]
}

extension Report {
    var values: [String: Double] {
        Dictionary(readings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    var noteTexts: [String] { notes.map { String(decoding: $0.text.bytes, as: UTF8.self) } }
}
