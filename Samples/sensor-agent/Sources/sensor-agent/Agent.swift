// SPDX-License-Identifier: Apache-2.0

import CAgent
import Martlet

@main
struct Agent {
    static let name: StaticString = "sensor-agent"
    static let version: StaticString = "0.1.0"

    private enum Status: Int32 {
        case success = 0
        case failure = 1
        case usage = 2
    }

    static func main() {
        CAgent_exit(run().rawValue)
    }

    private static func run() -> Status {
        let log = Log(level: .info)
        let arguments: Arguments
        do throws(Arguments.Failure) {
            arguments = try Arguments(System.arguments)
        } catch {
            log.write(.error, error.text)
            return .usage
        }
        switch arguments.action {
        case .help: return output(Text(Arguments.help), log)
        case .version:
            var text = Text(name)
            text.add(" ")
            text.add(version)
            text.add("\n")
            return output(text, log)
        case .run, .once: break
        }

        var configuration = Configuration()
        let path = arguments.configuration ?? Configuration.defaultPath
        if arguments.action == .run || arguments.configuration != nil {
            do throws(Configuration.Failure) {
                configuration = try Configuration(readingFrom: path)
            } catch {
                log.write(.error, error.text)
                return .usage
            }
        }
        log.setLevel(configuration.logLevel)

        let result = CAgent_watch_signals()
        guard result == 0 else {
            log.write(.error, SystemError(code: -result).text)
            return .failure
        }
        let sensors = Sensors(configuration.sensors, root: arguments.root)
        log.write(sensors.notes)
        if arguments.action == .once { return printOnce(sensors, log) }

        return serve(path, configuration, sensors, log)
    }

    /// Connects, and reads and reports until a signal asks to stop.
    @inline(never)
    private static func serve(
        _ path: Path, _ configuration: Configuration, _ sensors: Sensors, _ log: Log
    ) -> Status {
        do throws(MartletError) {
            let device = try Device(
                configuration: path.string, program: (name, version), logLevel: configuration.logLevel
            ) { level, line in
                log.write(level, Text(quoting: line))
            }
            let requests: Requests
            do throws(SystemError) { requests = try Requests() } catch {
                log.write(.error, error.text)
                return .failure
            }
            try Commands.declare(on: device, requests: requests, log: log)
            try device.start()
            var agent = Agent(
                device: device, requests: requests, sensors: sensors, log: log, interval: configuration.interval)
            agent.loop()
            device.stop()
            return .success
        } catch {
            log.write(.error, Text(quoting: error.message))
            switch error.code {
            case .configuration, .file, .identity: return .usage
            default: return .failure
            }
        }
    }

    /// Long enough for the processor's use to mean something.
    private static let onceDelay: Int64 = 250

    @inline(never)
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

    private let device: Device
    private let requests: Requests
    private let sensors: Sensors
    private let log: Log
    private var schedule: Schedule
    private var isDropping = false

    private init(device: Device, requests: Requests, sensors: Sensors, log: Log, interval: Int64) {
        self.device = device
        self.requests = requests
        self.sensors = sensors
        self.log = log
        schedule = Schedule(interval: interval * 1000, startingAt: System.uptime)
    }

    /// Until a signal asks to stop.
    private mutating func loop() {
        while true {
            let event = CAgent_wait(requests.descriptor, schedule.next - System.uptime)
            if event & Int32(CAGENT_STOP) != 0 { break }
            if event & Int32(CAGENT_READABLE) != 0 {
                let request = requests.take()
                if let level = request.logLevel {
                    log.setLevel(level)
                    device.setLogLevel(level)
                }
                if let seconds = request.interval {
                    schedule.restart(interval: seconds * 1000, at: System.uptime)
                } else if request.readNow {
                    reportAll()
                }
            }
            if schedule.isDue(at: System.uptime) { reportAll() }
        }
        log.write(.info, Text("stopped by a signal"))
    }

    private mutating func reportAll() {
        let report = sensors.read()
        log.write(report.notes)
        for reading in report.readings {
            do throws(MartletError) {
                try device.report(reading.name, reading.value, unit: Unit(reading.unit))
                isDropping = false
            } catch {
                // Said once while it lasts; the device counts them.
                if !isDropping { log.write(.warning, Text(quoting: error.message)) }
                isDropping = true
            }
        }
    }
}
