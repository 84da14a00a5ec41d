// SPDX-License-Identifier: Apache-2.0

import CBench
import Martlet

/// A device that reports and sends, steadily: `SteadyBench CONFIGURATION BATCHES`.
///
/// The configuration closes a batch by its count of five readings, never by its age. Prints how many blocks of memory
/// a reading, a message and a file of the spool take after the device has warmed up.
@main struct SteadyBench {
    static let readings = 5
    static let warmUp = 300
    /// Batches that come at once.
    static let burst = 100
    /// Batches that are counted together: far fewer than a file of the spool holds.
    static let slice = 25

    static func main() {
        guard let path = CBench_argument(0) else { CBench_fail(usage) }
        let batches = Int(CBench_number(1, usage))
        do throws(MartletError) {
            let device = try Device(configuration: String(cString: path))
            try device.start()
            wait("SteadyBench: no connection within 10 seconds") { device.status.connection == .connected }
            try report(warmUp, to: device)
            // Buffers grow when the disk or the broker makes the device wait: now, instead of while blocks are counted.
            try report(burst, to: device, pause: 0)
            wait("SteadyBench: the broker did not take the burst") { device.status.waitingMessages == 0 }
            try report(warmUp, to: device)
            var application: UInt64 = 0
            var library: UInt64 = 0
            guard CBench_allocations(&application, &library) else {
                CBench_fail("SteadyBench: preload the counter of allocations")
            }
            var blocks: [UInt64] = []
            for _ in 0..<batches / slice {
                try report(slice, to: device)
                _ = CBench_allocations(&application, &library)
                blocks.append(library - blocks.reduce(0, +))
            }
            wait("SteadyBench: the broker did not take all messages") { device.status.waitingMessages == 0 }
            CBench_result("allocations-per-reading", Double(application) / Double(batches * readings))
            // A quarter is left out, those that took most: they hold the begins of files, and buffers that grew while disk or
            // broker made the device wait. What each message takes, or one in eight, is in all the others.
            blocks.sort()
            let quiet = blocks.dropLast(blocks.count / 4)
            CBench_result("allocations-per-message", Double(quiet.reduce(0, +)) / Double(quiet.count * slice))
            CBench_result("allocations-per-file", Double(blocks.last ?? 0))
            device.stop()
        } catch {
            CBench_fail(error.message)
        }
    }

    private static let usage = "usage: SteadyBench CONFIGURATION BATCHES"

    /// For at most 10 seconds.
    private static func wait(_ failure: StaticString, until isDone: () -> Bool) {
        for _ in 0..<1000 {
            if isDone() { return }
            CBench_sleep(10_000)
        }
        CBench_fail(failure.utf8Start)
    }

    /// With a pause, in microseconds, that makes it slower than the device signs and sends.
    private static func report(_ batches: Int, to device: Device, pause: Int32 = 3000) throws(MartletError) {
        for batch in 0..<batches {
            let change = Double(batch % 7)
            try report("cpu-temperature", 51.2 + change, .celsius, to: device)
            try report("load/1min", 0.42 + change, .count, to: device)
            try report("memory/available", 3_221_225_472 + change * 4096, .byte, to: device)
            try report("network/eth0/received", 123_456_789 + change * 1500, .byte, to: device)
            try report("cpu/use", 0.0625 + change / 64, .ratio, to: device)
            CBench_sleep(pause)
        }
    }

    /// Again while the device has no room, because it has not signed what came before.
    private static func report(
        _ name: String, _ value: Double, _ unit: Unit, to device: Device
    ) throws(MartletError) {
        while true {
            do throws(MartletError) {
                return try device.report(name, value, unit: unit)
            } catch {
                if error.code != .full { throw error }
                CBench_sleep(3000)
            }
        }
    }
}
