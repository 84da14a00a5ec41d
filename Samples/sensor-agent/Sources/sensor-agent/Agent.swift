// SPDX-License-Identifier: Apache-2.0

import CAgent

@main
struct Agent {
    static let version: StaticString = "sensor-agent 0.1.0\n"

    private enum Status: Int32 {
        case success = 0
        case failure = 1
        case usage = 2
    }

    static func main() {
        CAgent_exit(run().rawValue)
    }

    private static func run() -> Status {
        var log = Log(level: .info)
        let arguments: Arguments
        do throws(Arguments.Failure) {
            arguments = try Arguments(System.arguments)
        } catch {
            log.write(.error, error.text)
            return .usage
        }
        switch arguments.action {
        case .help: return output(Text(Arguments.help), log)
        case .version: return output(Text(version), log)
        case .run, .once: break
        }

        var configuration = Configuration()
        if arguments.action == .run || arguments.configuration != nil {
            do throws(Configuration.Failure) {
                configuration = try Configuration(readingFrom: arguments.configuration ?? Configuration.defaultPath)
            } catch {
                log.write(.error, error.text)
                return .usage
            }
        }
        log.level = configuration.logLevel

        let result = CAgent_watch_signals()
        guard result == 0 else {
            log.write(.error, SystemError(code: -result).text)
            return .failure
        }
        let sensors = Sensors(configuration.sensors, root: arguments.root)
        log.write(sensors.notes)
        if arguments.action == .once { return printOnce(sensors, log) }

        var agent = Agent(sensors: sensors, log: log, interval: configuration.interval)
        agent.loop()
        return .success
    }

    /// Long enough for the processor's use to mean something.
    private static let onceDelay: Int64 = 250

    private static func printOnce(_ sensors: Sensors, _ log: Log) -> Status {
        guard CAgent_wait(-1, onceDelay) == 0 else { return .failure }
        let report = sensors.read()
        log.write(report.notes)
        guard !report.readings.isEmpty else {
            log.write(.error, Text("nothing could be read, name other sensors or another --root"))
            return .failure
        }
        return output(table(of: report.readings), log)
    }

    private static func output(_ text: Text, _ log: Log) -> Status {
        do throws(SystemError) {
            try System.write(text, to: .output)
            return .success
        } catch {
            var reason = Text("standard output: ")
            reason.add(error.text)
            log.write(.error, reason)
            return .failure
        }
    }

    private let sensors: Sensors
    private let log: Log
    private var schedule: Schedule

    private init(sensors: Sensors, log: Log, interval: Int64) {
        self.sensors = sensors
        self.log = log
        schedule = Schedule(interval: interval * 1000, startingAt: System.uptime)
    }

    /// Until a signal asks to stop.
    private mutating func loop() {
        while CAgent_wait(-1, schedule.next - System.uptime) & Int32(CAGENT_STOP) == 0 {
            if schedule.isDue(at: System.uptime) { readAll() }
        }
        log.write(.info, Text("stopped by a signal"))
    }

    private func readAll() {
        let report = sensors.read()
        log.write(report.notes)
        for reading in report.readings {
            var text = Text()
            text.add(reading.name)
            text.add(" ")
            text.add(reading.value)
            text.add(" ")
            text.add(reading.unit)
            log.write(.debug, text)
        }
    }
}
