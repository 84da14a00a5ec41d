// SPDX-License-Identifier: Apache-2.0

import CBench
import Martlet
import MartletPosix

/// How long commands wait for their handlers, as two processes:
///
///     LatencyBench device CONFIGURATION COUNT     a device, which takes so many commands and ends
///     LatencyBench sender DIRECTORY PORT COUNT    who sends them
///
/// Both print a line "NUMBER MICROSECONDS" for each command, by one clock: when it was published, when its handler
/// began. In turns of `LatencyBench.turn` commands the device's program does nothing else, and reports 1,000 readings a
/// second.
@main struct LatencyBench {
    static let usage = "usage: LatencyBench device CONFIGURATION COUNT | sender DIRECTORY PORT COUNT"
    /// Commands in a row for which the load is the same.
    static let turn = 25

    static func main() {
        guard let role = CBench_argument(0), let place = CBench_argument(1) else { CBench_fail(usage) }
        if UInt8(bitPattern: role[0]) == UInt8(ascii: "d") {
            let program = Program()
            program.run(String(cString: place), commands: Int(CBench_number(2, usage)))
        } else {
            let sender = Sender(String(cString: place), port: UInt16(clamping: CBench_number(2, usage)))
            sender.send(Int(CBench_number(3, usage)))
        }
    }
}

/// The application of the device.
final class Program: Sendable {
    private struct State {
        var begun: [(number: Int64, time: Double)] = []
        var isLoaded = false
    }

    /// Microseconds from one reading to the next.
    private static let interval = 1000.0

    private let state = Guarded(State())

    func run(_ path: String, commands count: Int) {
        do throws(MartletError) {
            let device = try Device(configuration: path)
            // Its number, and whether there is to be load from now on.
            try device.onCommand("mark", .integer(0...1_000_000), .boolean) { [state] call in
                let now = CBench_now()
                state.with {
                    $0.begun.append((call.integer(0), now))
                    $0.isLoaded = call.boolean(1)
                }
                return .done
            }
            try device.start()
            let (seconds, readings) = try report(to: device, until: count)
            CBench_result("readings-per-second", seconds > 0 ? Double(readings) / seconds : 0)
            CBench_result("dropped", Double(device.status.droppedReadings))
            device.stop()
        } catch {
            CBench_fail(error.message)
        }
        for mark in state.with({ $0.begun }) { CBench_mark(mark.number, mark.time) }
    }

    /// Readings at even distances while there is to be load. For how many seconds there was, and how many there were.
    private func report(to device: Device, until count: Int) throws(MartletError) -> (Double, Int) {
        var (loaded, readings) = (0.0, 0)
        var due: Double?
        while true {
            let (begun, isLoaded) = state.with { ($0.begun.count, $0.isLoaded) }
            if begun >= count { return (loaded / 1e6, readings) }
            guard isLoaded else {
                due = nil
                CBench_sleep(5000)
                continue
            }
            let now = CBench_now()
            let next = due ?? now
            if next > now {
                CBench_sleep(Int32(next - now))
            } else {
                try device.report("cpu-temperature", 51.2 + Double(readings % 7), unit: .celsius)
                readings += 1
                loaded += Self.interval
                due = next + Self.interval
            }
        }
    }
}
