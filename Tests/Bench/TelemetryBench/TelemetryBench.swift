// SPDX-License-Identifier: Apache-2.0

import CBench
import Martlet
import MartletHTTPSLink

/// A device that reports as fast as it can:
///
///     TelemetryBench CONFIGURATION flow COUNT PAUSE     until the broker has all; prints the processor time of each
///     TelemetryBench CONFIGURATION fill COUNT PAUSE     until all are on the disk
///     TelemetryBench CONFIGURATION endure COUNT PAUSE   until the broker has all; pauses after every 50,000
///
/// It can do without a broker, over HTTPS, if it is configured to. The value of a reading is its number. While the device
/// has no room it waits for PAUSE microseconds. `flow` is for batches of one reading, and reports 1,000 more before it
/// measures.
@main struct TelemetryBench {
    private static let usage = "usage: TelemetryBench CONFIGURATION flow|fill|endure COUNT PAUSE"
    private static let pause = CBench_number(3, usage)
    private static let warmUp = 1000
    private static let part = 50_000

    static func main() {
        guard let path = CBench_argument(0), let work = CBench_argument(1) else { CBench_fail(usage) }
        let count = Int(CBench_number(2, usage))
        do throws(MartletError) {
            let device = try Device(configuration: String(cString: path), https: .libcurl)
            try device.start()
            switch (UInt8(bitPattern: work[0]), UInt8(bitPattern: work[1])) {
            case (UInt8(ascii: "f"), UInt8(ascii: "l")): try flow(count, device)
            case (UInt8(ascii: "f"), _): try report(0..<count, device)
            default: try endure(count, device)
            }
            device.stop(flushing: 0)
        } catch {
            CBench_fail(error.message)
        }
    }

    private static func flow(_ count: Int, _ device: Device) throws(MartletError) {
        wait { device.status.connection == .connected }
        try report(0..<warmUp, device)
        wait { device.status.waitingMessages == 0 }
        let begin = measure_now()
        try report(warmUp..<warmUp + count, device)
        wait { device.status.waitingMessages == 0 }
        measure_print(begin, Int32(count))
    }

    private static func endure(_ count: Int, _ device: Device) throws(MartletError) {
        var first = 0
        while first < count {
            try report(first..<min(first + part, count), device)
            first += part
            measure_pause()
        }
        wait { device.status.waitingMessages == 0 }
        measure_pause()
    }

    /// Again while the device has no room. The last one is on the disk on return, and so are all before it.
    private static func report(_ numbers: Range<Int>, _ device: Device) throws(MartletError) {
        for number in numbers {
            while true {
                do throws(MartletError) {
                    try device.report("flow", Double(number), durable: number == numbers.upperBound - 1)
                    break
                } catch {
                    if error.code != .full { throw error }
                    CBench_sleep(pause)
                }
            }
        }
    }

    /// For at most two minutes.
    private static func wait(until isDone: () -> Bool) {
        let end = CBench_now() + 120e6
        while CBench_now() < end {
            if isDone() { return }
            // What asks takes processor time, too.
            CBench_sleep(max(pause, 10_000))
        }
        CBench_fail("TelemetryBench: the broker did not take everything")
    }
}
