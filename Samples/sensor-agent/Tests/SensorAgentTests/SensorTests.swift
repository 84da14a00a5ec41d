// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import sensor_agent

@Suite struct SensorTests {
    @Test func `every kind of sensor of a board is read in SenML units`() throws {
        let tree = try Tree(Tree.board)
        let sensors = Sensors(SensorKind.allCases, root: tree.root)
        #expect(sensors.notes.isEmpty)
        try tree.write(Array("cpu  150 0 150 1300 200 100 100 0 0 0\n".utf8), to: "proc/stat")
        let report = sensors.read()
        #expect(report.noteTexts == [])
        let expected: [(String, Double, String)] = [
            ("thermal/cpu-thermal", 51.2, "Cel"), ("thermal/gpu-thermal", -1.5, "Cel"),
            ("thermal/cpu-thermal-2", 0, "Cel"),
            ("hwmon/pwmfan/fan1", 3120, "1/min"), ("hwmon/ina219/in0", 0.009, "V"),
            ("hwmon/ina219/5-V-rail", 5.124, "V"), ("hwmon/ina219/curr1", 0.873, "A"),
            ("hwmon/ina219/temp1", 38.75, "Cel"), ("hwmon/ina219/power1", 4.46, "W"),
            ("iio/bme280/temp", 21.34, "Cel"), ("iio/bme280/pressure", 101_325, "Pa"),
            ("iio/bme280/humidityrelative", 45.123, "%RH"),
            ("iio/ads1015/voltage0", 3.3, "V"), ("iio/ads1015/voltage1", 0.8, "V"),
            ("iio/ads1015/voltage0-voltage1", -1, "V"),
            ("w1/28-0316a2795e1b", 23.125, "Cel"), ("w1/28-0316a2795eff", -0.5, "Cel"),
            ("load/1min", 0.08, "count"), ("load/5min", 1.5, "count"), ("load/15min", 12, "count"),
            ("memory/size", 948_304 * 1024, "B"), ("memory/available", 612_345 * 1024, "B"),
            ("network/eth0/received", 18_446_744_073_709_551_616, "B"), ("network/eth0/sent", 409_600, "B"),
            ("network/wlan0.1/received", 7, "B"), ("network/wlan0.1/sent", 8, "B"),
            ("uptime", 86_400.25, "s"), ("cpu/use", 0.3, "/"),
        ]
        let found = report.readings.filter { !$0.name.hasPrefix("disk/") }
        #expect(found.map(\.name) == expected.map(\.0))
        #expect(found.map(\.value) == expected.map(\.1))
        #expect(found.map { $0.unit.description } == expected.map(\.2))
        let size = try #require(report.values["disk/size"])
        let available = try #require(report.values["disk/available"])
        #expect(available >= 0 && available <= size && size > 0)
    }

    @Test func `names are SenML names, at most 64 long, and given once`() throws {
        let long = String(repeating: "ä x", count: 40)
        var files = Tree.board
        for i in 20..<33 {
            files["sys/class/thermal/thermal_zone\(i)/type"] = long + "\n"
            files["sys/class/thermal/thermal_zone\(i)/temp"] = "1\n"
        }
        let tree = try Tree(files)
        let names = Sensors(SensorKind.allCases, root: tree.root).read().readings.map(\.name)
        #expect(names.count > 40)
        #expect(Set(names).count == names.count)
        for name in names { #expect(try /[A-Za-z0-9][-A-Za-z0-9:.\/_]{0,63}/.wholeMatch(in: name) != nil, "\(name)") }
    }

    @Test func `what a board does not have is named once and skipped`() throws {
        let tree = try Tree(["proc/uptime": "1.00 1.00\n"])
        let sensors = Sensors(SensorKind.allCases, root: tree.root)
        #expect(
            sensors.notes.map { String(decoding: $0.text.bytes, as: UTF8.self) }
                == [
                    "thermal", "hwmon", "iio", "w1", "load", "memory", "network", "cpu",
                ].map { "no \($0) sensor found, skipped" })
        #expect(sensors.read().notes.isEmpty)
        #expect(sensors.read().values["uptime"] == 1)
    }

    @Test(arguments: [
        "", "\n", " ", "-", "--1", "+1", "1 2", "1.2.3", ".5", "5.", "0x10", "12a", "nan", "inf", "1e3", "٣", "\0",
        "99999999999999999999", String(repeating: "9", count: 100_000), String(repeating: "\n", count: 100_000),
    ])
    func `a file that holds no number is left out with one note until it does`(_ content: String) throws {
        let tree = try Tree(["sys/class/thermal/thermal_zone0/temp": content, "proc/uptime": "1 1"])
        let sensors = Sensors([.thermal, .uptime], root: tree.root)
        let first = sensors.read()
        #expect(first.values == ["uptime": 1])
        #expect(first.noteTexts.count == 1)
        #expect(
            first.noteTexts.first?.hasSuffix("/temp: its content is not understood, left out until it can be read")
                == true)
        #expect(sensors.read().notes.isEmpty)
        try tree.write(Array("-40000".utf8), to: "sys/class/thermal/thermal_zone0/temp")
        let later = sensors.read()
        #expect(later.values["thermal/thermal_zone0"] == -40)
        #expect(later.noteTexts.first?.hasSuffix("/temp: can be read again") == true)
        #expect(sensors.read().notes.isEmpty)
    }

    @Test(arguments: [
        ("proc/loadavg", "0.1 0.2"), ("proc/loadavg", "a b c"), ("proc/meminfo", "MemTotal: 1 kB"),
        ("proc/meminfo", "MemTotal: 1 MB\nMemAvailable: 1 kB"), ("proc/meminfo", "MemTotal: -1 kB\nMemAvailable: 1 kB"),
        ("proc/net/dev", "one line"), ("proc/net/dev", "a\nb\neth0 1 2 3\n"), ("proc/net/dev", "a\nb\neth0: 1 2 3\n"),
        ("proc/net/dev", "a\nb\n: 1 2 3 4 5 6 7 8 9\n"), ("proc/uptime", "long"), ("proc/stat", "cpu 1 2 3"),
        ("proc/stat", "cpu0 1 2 3 4 5 6 7 8 9"), ("proc/stat", "cpu 1 2 3 4 5 6 7 99999999999999999999"),
    ])
    func `a table of the kernel that is not understood is left out`(_ path: String, _ content: String) throws {
        let tree = try Tree(Tree.board)
        let sensors = Sensors([.load, .memory, .network, .uptime, .cpu], root: tree.root)
        let before = sensors.read().readings.count
        try tree.write(Array(content.utf8), to: path)
        let report = sensors.read()
        #expect(report.readings.count < before || path == "proc/stat")
        #expect(report.noteTexts.count == 1)
        #expect(report.noteTexts.first?.contains("/\(path): its content is not understood") == true)
    }

    @Test func `a file that vanishes, or becomes a folder, a loop or a pipe, is left out`() throws {
        let tree = try Tree(Tree.board)
        let path = "sys/class/thermal/thermal_zone0/temp"
        let sensors = Sensors([.thermal], root: tree.root)
        func expect(_ reason: String) throws {
            let report = sensors.read()
            #expect(report.readings.count == 2)
            #expect(report.noteTexts.first?.contains("\(path): \(reason), left out") == true, "\(report.noteTexts)")
            try? tree.remove(path)
            try tree.write(Array("1".utf8), to: path)
            #expect(sensors.read().readings.count == 3)
            try tree.remove(path)
        }
        try tree.remove(path)
        try expect("No such file or directory")
        try FileManager.default.createDirectory(at: tree.url.appending(path: path), withIntermediateDirectories: false)
        try expect("Is a directory")
        try FileManager.default.createSymbolicLink(
            at: tree.url.appending(path: path), withDestinationURL: tree.url.appending(path: path))
        try expect("Too many levels of symbolic links")
        #expect(mkfifo(tree.url.appending(path: path).path, 0o600) == 0)
        try expect("its content is not understood")
    }

    @Test func `a wrong checksum on the 1-wire bus is no reading`() throws {
        let no = "00 : crc=57 NO\n00 t=23125\n"
        for content in [no, "YES", " YES\n", " YES\nt=\n", " YES\nt=x\n", "", "\n\n"] {
            #expect(OneWire.parseSlave(Array(content.utf8).span) == nil)
        }
        #expect(OneWire.parseSlave(Array("00 : crc=57 YES\n00 t=23125".utf8).span) == 23_125)
    }

    @Test func `the use of the processor is a difference, and none when counters stand or go back`() {
        func use(_ a: (UInt64, UInt64), _ b: (UInt64, UInt64)) -> Double? {
            Processor.use(from: .init(idle: a.0, all: a.1), to: .init(idle: b.0, all: b.1))
        }
        #expect(use((0, 0), (3, 4)) == 0.25)
        #expect(use((0, 0), (0, 4)) == 1)
        #expect(use((0, 0), (4, 4)) == 0)
        #expect(use((0, 0), (1, 3)) == 0.667)
        #expect(use((3, 4), (3, 4)) == nil)
        #expect(use((3, 4), (2, 9)) == nil)
        #expect(use((3, 9), (3, 4)) == nil)
        #expect(use((0, 0), (5, 4)) == nil)
        #expect(use((0, 0), (0, .max)) == 1)
    }

    @Test func `tables longer than what is read of them give whole lines only`() throws {
        let tree = try Tree([:])
        let lines = (0..<400).map { "veth\($0): 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n" }.joined()
        try tree.write(Array("a\nb\n\(lines)".utf8), to: "proc/net/dev")
        let report = Sensors([.network], root: tree.root).read()
        #expect(report.readings.count == 2 * Network.maximumInterfaceCount)
        #expect(report.notes.isEmpty)
        let cut = Array("a\nb\neth0: 1 0 0 0 0 0 0 0 2 0\neth1: 1 0 0".utf8)
        #expect(Network.parse(cut.span)?.count == 1)
    }

    @Test func `every change of one byte of the kernel's files is survived`() {
        for content in Tree.board.values where content.utf8.count < 600 {
            let bytes = Array(content.utf8)
            for i in bytes.indices {
                for change in [0, 0x0a, 0x20, 0x2d, 0x2e, 0x39, 0x3a, 0xff] as [UInt8] {
                    var changed = bytes
                    changed[i] = change
                    parse(changed)
                }
                parse(Array(bytes[..<i]))
            }
        }
        func parse(_ bytes: [UInt8]) {
            _ = Channel.number(in: bytes.span)
            _ = OneWire.parseSlave(bytes.span)
            _ = LoadAverage.parse(bytes.span)
            _ = Memory.parse(bytes.span)
            _ = Network.parse(bytes.span)
            _ = Uptime.parse(bytes.span)
            _ = Processor.parse(bytes.span)
        }
    }
}
