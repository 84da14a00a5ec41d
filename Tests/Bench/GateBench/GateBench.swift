// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletCommands
import MartletOpenSSL
import MartletTelemetry

/// What a device does when a command has arrived, until its handler may be called or the command is refused:
///
///     GateBench DIRECTORY ed25519|p256 accepted|replayed|malformed|unknown-key|other-device COUNT [FILE]
///     GateBench DIRECTORY p256 telemetry SECONDS
///
/// Everything is as on a board but network and clock: the real engine, real keys, the state in files of DIRECTORY, which
/// must be empty. All of what is to be counted happens below the function `receivesMessage`. Prints how many bytes the
/// signature of a command covers, and the greatest number of syncs and of writes that one message took; of accepted ones
/// also how many instructions one took, if yardstick/steps.c is preloaded. FILE gets the accepted commands for
/// yardstick/sign.c.
///
/// The second one is an hour with a reading of 100 bytes each second, in batches of SECONDS. It pauses after every five
/// seconds, and prints how many syncs and segments that took.
@main struct GateBench {
    private static let usage =
        "usage: GateBench DIRECTORY ed25519|p256 accepted|replayed|malformed|unknown-key|other-device COUNT [FILE]"

    static func main() {
        guard let place = CBench_argument(0), let kind = CBench_argument(1), let work = CBench_argument(2) else {
            CBench_fail(usage)
        }
        let count = Int(CBench_number(3, usage))
        do throws(BenchError) {
            if UInt8(bitPattern: work[0]) == UInt8(ascii: "t") {
                return try wear(String(cString: place), seconds: count)
            }
            let party = try CommandParty(UInt8(bitPattern: kind[0]) == UInt8(ascii: "p") ? .p256 : .ed25519)
            let device = try BenchDevice(String(cString: place), party)
            switch UInt8(bitPattern: work[0]) {
            case UInt8(ascii: "a"):
                try device.accept(count) { bytes in
                    guard let file = CBench_argument(4) else { return }
                    bytes.withUnsafeBufferPointer { CBench_append(file, $0.baseAddress, Int32($0.count)) }
                }
                CBench_result("steps", device.steps / Double(count))
            case UInt8(ascii: "r"): try device.refuse(device.accept(), count, .replayed)
            case UInt8(ascii: "m"): try device.refuse(device.command() + [0], count, .malformed)
            case UInt8(ascii: "u"): try device.refuse(device.command(by: .stranger), count, .unknownKey)
            case UInt8(ascii: "o"): try device.refuse(device.command(for: .other), count, .wrongAudience)
            default: CBench_fail(usage)
            }
            CBench_result("signed-bytes", Double(party.signedBytes.count))
            CBench_result("syncs", Double(device.mostSyncs))
            CBench_result("writes", Double(device.mostWrites))
        } catch {
            CBench_fail("GateBench: the device did not do what it must")
        }
    }

    private static func wear(_ path: String, seconds: Int) throws(BenchError) {
        var limits = ReadingBatch.Limits()
        limits.age = UInt64(seconds) * 1000
        limits.count = max(limits.count, seconds + 1)
        limits.bytes = 8192
        let device = try BenchDevice(path, CommandParty(.p256), limits)
        try device.report(seconds: 3600)
        CBench_result("syncs", Double(device.storage.syncs))
        CBench_result("segments", Double(device.storage.created))
    }
}

struct BenchError: Error {}

func bytes(_ text: StaticString) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
