// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import Testing

@testable import sensor_agent

private func string(_ text: Text) -> String {
    String(decoding: text.bytes, as: UTF8.self)
}

@Suite struct ConfigurationTests {
    private func read(_ content: String) throws -> Configuration {
        let tree = try Tree(["c": content])
        return try Configuration(readingFrom: tree.root.appending("/c"))
    }

    @Test(arguments: ["", "[mqtt]\nhost = x\ninterval = never\n", "[agent]\n"])
    func `the agent needs no settings and leaves other sections alone`(_ content: String) throws {
        let configuration = try read(content)
        #expect(configuration.interval == 10)
        #expect(configuration.sensors == SensorKind.allCases)
        #expect(configuration.logLevel == .info)
    }

    @Test func `settings are taken over`() throws {
        let configuration = try read("[agent]\ninterval = 86400\nsensors = cpu,\tthermal , cpu\nlog-level = debug")
        #expect(configuration.interval == 86_400)
        #expect(configuration.sensors == [.thermal, .cpu])
        #expect(configuration.logLevel == .debug)
        #expect(try read("[agent]\nsensors = all").sensors == SensorKind.allCases)
    }

    @Test func `the example is valid and states the defaults`() throws {
        let example = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../martlet.conf.example")
        let configuration = try Configuration(readingFrom: Path(Array(example.path.utf8)))
        #expect(configuration.interval == Configuration().interval)
        #expect(configuration.sensors == Configuration().sensors)
        #expect(configuration.logLevel == Configuration().logLevel)
    }

    @Test(arguments: [
        ("[agent]\ninterval = 0", "2: not an interval, write whole seconds from 1 to 86400"),
        ("[agent]\ninterval = 86401", "2: not an interval, write whole seconds from 1 to 86400"),
        ("[agent]\ninterval = 1.5", "2: not an interval, write whole seconds from 1 to 86400"),
        ("[agent]\ninterval = 10s", "2: not an interval, write whole seconds from 1 to 86400"),
        ("[agent]\ninterval =", "2: not an interval, write whole seconds from 1 to 86400"),
        ("[agent]\ninterval = 1\n\ninterval = 1", "4: the key stands twice in its section, remove one"),
        ("[agent]\nsensors =", "2: no sensor is named, write all or remove the line"),
        ("[agent]\nsensors = , ,", "2: no sensor is named, write all or remove the line"),
        (
            "[agent]\nsensors = cpu gpu",
            "2: unknown sensor 'gpu', write all or some of"
                + " thermal hwmon iio w1 load memory disk network uptime cpu"
        ),
        (
            "[agent]\nsensors = all, cpu",
            "2: unknown sensor 'all', write all or some of"
                + " thermal hwmon iio w1 load memory disk network uptime cpu"
        ),
        ("[agent]\nlog-level = verbose", "2: not a log level, write error, warning, info or debug"),
        ("[agent]\nintervall = 1", "2: unknown key 'intervall' in [agent], write interval, sensors or log-level"),
        ("[agent two]\n", "1: the heading has a second word, write [agent]"),
        ("[mqtt]\nnonsense\n", "2: neither a heading nor an entry, write key = value"),
    ])
    func `what is wrong is said with its line and what to do`(_ content: String, _ expected: String) throws {
        let tree = try Tree(["c": content])
        do throws(Configuration.Failure) {
            _ = try Configuration(readingFrom: tree.root.appending("/c"))
            Issue.record("accepted")
        } catch {
            #expect(string(error.text) == "\(tree.url.path)/c:\(expected)")
        }
    }

    @Test func `a file that cannot be read is named`() throws {
        do throws(Configuration.Failure) {
            _ = try Configuration(readingFrom: Path(Array("/nowhere\u{1b}/c".utf8)))
            Issue.record("accepted")
        } catch {
            #expect(
                string(error.text)
                    == "/nowhere?/c: No such file or directory, create it or name another with --config")
        }
    }
}

@Suite struct ArgumentsTests {
    private func parse(_ words: String...) throws(Arguments.Failure) -> Arguments {
        try Arguments(words.map { Array($0.utf8) })
    }

    @Test func `options are understood in any order`() throws {
        #expect(try parse().action == .run)
        #expect(try parse().configuration == nil)
        let arguments = try parse("--root", "/host", "--once", "--config", "a b")
        #expect(arguments.action == .once)
        #expect(arguments.configuration.map { $0.bytes } == Array("a b".utf8))
        #expect(arguments.root.bytes == Array("/host".utf8))
        #expect(try parse("--once", "--help", "--nonsense").action == .help)
        #expect(try parse("--version").action == .version)
    }

    @Test(arguments: [
        (["--config"], "--config needs a path behind it, try sensor-agent --help"),
        (["--config", ""], "--config needs a path behind it, try sensor-agent --help"),
        (["--once", "--root"], "--root needs a path behind it, try sensor-agent --help"),
        (["--config", "--once"], "--config needs a path behind it, try sensor-agent --help"),
        (["-h"], "unknown argument '-h', try sensor-agent --help"),
        (["--onc"], "unknown argument '--onc', try sensor-agent --help"),
        (["--once "], "unknown argument '--once ', try sensor-agent --help"),
        ([""], "unknown argument '', try sensor-agent --help"),
        (["\u{1b}[2J"], "unknown argument '?[2J', try sensor-agent --help"),
    ])
    func `wrong usage gets one clear line`(_ words: [String], _ expected: String) {
        do throws(Arguments.Failure) {
            _ = try Arguments(words.map { Array($0.utf8) })
            Issue.record("accepted")
        } catch {
            #expect(string(error.text) == expected)
        }
    }
}

@Suite struct ScheduleTests {
    @Test func `rounds come at once, then at every interval, and missed ones are left out`() {
        var schedule = Schedule(interval: 10_000, startingAt: 5)
        let due = [5, 5, 10_004, 10_100, 20_004, 20_005, 95_000, 104_999, 105_000].map { schedule.isDue(at: $0) }
        #expect(due == [true, false, false, true, false, true, true, false, true])
        #expect(schedule.next == 115_000)
    }
}

@Suite struct TableTests {
    @Test func `columns are aligned and values keep their digits`() {
        let readings = [
            Reading(name: "a", unit: "Cel", value: 51.2), Reading(name: "long/name", unit: "B", value: 270_553_174_016),
        ]
        #expect(
            string(table(of: readings)) == """
                NAME              VALUE  UNIT
                a                  51.2  Cel
                long/name  270553174016  B

                """)
        #expect(string(table(of: [])) == "NAME  VALUE  UNIT\n")
        for value in [0.1 + 0.2, 1 / 3, -0.0, 1e300, 2.5e-308, 18_446_744_073_709_551_616] as [Double] {
            #expect(Double(string(System.format(value))) == value)
        }
    }
}
