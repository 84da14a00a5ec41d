// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletMosquitto
import MartletOpenSSL
import MartletPosix

/// A link alone, over mutual TLS to `localhost`, driven by this one thread:
///
///     LinkBench DIRECTORY PORT publish COUNT WINDOW           messages of QoS 1
///     LinkBench DIRECTORY PORT reconnect COUNT full|resumed   connections that publish one message each
///
/// Prints what each message or connection costs.
@main struct LinkBench {
    private static let usage = "usage: LinkBench DIRECTORY PORT publish COUNT WINDOW | reconnect COUNT full|resumed"

    static func main() {
        guard let directory = CBench_argument(0), let work = CBench_argument(2), let how = CBench_argument(4) else {
            CBench_fail(usage)
        }
        let port = UInt16(clamping: CBench_number(1, usage))
        let count = CBench_number(3, usage)
        let link = Link(directory: String(cString: directory), port: port)
        switch UInt8(bitPattern: work[0]) {
        case UInt8(ascii: "p"):
            link.connect(window: UInt16(clamping: CBench_number(4, usage)))
            let begin = measure_now()
            link.publish(Int(count))
            measure_print(begin, count)
            link.disconnect()
        default:
            let resumes = UInt8(bitPattern: how[0]) == UInt8(ascii: "r")
            // The first one has no session to resume.
            link.session(keeps: resumes)
            var resumed = 0
            let begin = measure_now()
            for _ in 0..<count {
                link.session(keeps: resumes)
                if link.wasResumed { resumed += 1 }
            }
            measure_print(begin, count)
            CBench_result("resumed", Double(resumed) / Double(count))
        }
    }
}
