// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletINI

/// The section [agent] of the device's configuration file. The other sections are not the agent's.
struct Configuration {
    static let defaultPath = Path("/etc/martlet/martlet.conf".bytes)
    static let intervals: ClosedRange<Int64> = 1...86_400

    /// Seconds between two rounds of readings.
    private(set) var interval: Int64 = 10
    private(set) var sensors = SensorKind.allCases
    private(set) var logLevel = LogLevel.info

    /// What is wrong with a configuration: `file:line: what, what to do`.
    struct Failure: Error {
        let text: Text
    }

    init() {}

    init(readingFrom path: Path) throws(Failure) {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try System.read(path, limit: INI.maximumFileLength + 1)
        } catch {
            var text = error.text
            text.add(", create it or name another with --config")
            throw Self.failure(path, nil, text)
        }
        let ini: INI
        do throws(INIError) {
            ini = try INI(parsing: bytes.span)
        } catch {
            throw Self.failure(path, error.line, Text(error.problem.reason))
        }
        for section in ini.sections where section.kind.equals("agent") {
            guard section.name.isEmpty else {
                throw Self.failure(path, section.line, Text("the heading has a second word, write [agent]"))
            }
            for entry in section.entries {
                do throws(Failure) {
                    try apply(entry, in: section)
                } catch {
                    throw Self.failure(path, entry.line, error.text)
                }
            }
        }
    }

    private mutating func apply(_ entry: INIEntry, in section: INISection) throws(Failure) {
        if let first = section.entries.first(where: { $0.key == entry.key }), first.line < entry.line {
            throw Failure(text: Text(INIProblem.duplicateKey.reason))
        }
        if entry.hasKey("interval") {
            guard let seconds = entry.integer(in: Self.intervals) else {
                throw Failure(text: Text("not an interval, write whole seconds from 1 to 86400"))
            }
            interval = seconds
        } else if entry.hasKey("sensors") {
            sensors = try Self.sensors(entry.value)
        } else if entry.hasKey("log-level") {
            guard let level = LogLevel.allCases.first(where: { entry.hasValue($0.name) }) else {
                throw Failure(text: Text("not a log level, write error, warning, info or debug"))
            }
            logLevel = level
        } else {
            var text = Text("unknown key '")
            text.add(quoting: entry.key)
            text.add("' in [agent], write interval, sensors or log-level")
            throw Failure(text: text)
        }
    }

    /// `all`, or names with commas or blanks between them. In the order of the agent, each once.
    private static func sensors(_ value: [UInt8]) throws(Failure) -> [SensorKind] {
        let blanks = value.map { $0 == UInt8(ascii: ",") ? UInt8(ascii: " ") : $0 }
        if blanks.equals("all") { return SensorKind.allCases }
        var rest = Scanner(blanks.span)
        var kinds: [SensorKind] = []
        while let word = rest.word() {
            guard let kind = SensorKind.allCases.first(where: { word.equals($0.name) }) else {
                var text = Text("unknown sensor '")
                text.add(quoting: word.array)
                text.add("', write all or some of")
                for kind in SensorKind.allCases {
                    text.add(" ")
                    text.add(kind.name)
                }
                throw Failure(text: text)
            }
            kinds.append(kind)
        }
        guard !kinds.isEmpty else { throw Failure(text: Text("no sensor is named, write all or remove the line")) }
        return SensorKind.allCases.filter { kinds.contains($0) }
    }

    private static func failure(_ path: Path, _ line: Int?, _ reason: Text) -> Failure {
        var text = Text()
        text.add(path)
        if let line {
            text.add(":")
            text.add(line)
        }
        text.add(": ")
        text.add(reason)
        return Failure(text: text)
    }
}
