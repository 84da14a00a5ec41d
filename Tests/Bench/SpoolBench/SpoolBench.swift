// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletAdapters
import MartletCOSE
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletOpenSSL
import MartletPosix
import MartletTelemetry

/// A lane's spool without a device: `SpoolBench DIRECTORY COUNT GROUP` puts COUNT envelopes of 200 bytes, made before,
/// into the spool, GROUP in a commit; then takes them out in order, and lets them go as many at once.
///
/// Pauses behind the first 1,000, and while all are in it. Prints the processor time of an envelope, and that of putting
/// one in, among the 4,000 behind the first 1,000 and among the last 4,000.
@main struct SpoolBench {
    private static let usage = "usage: SpoolBench DIRECTORY COUNT GROUP"
    private static let payload = 200
    private static let few = 1000
    private static let part = 4000

    static func main() {
        guard let path = CBench_argument(0) else { CBench_fail(usage) }
        let count = Int(CBench_number(1, usage))
        let group = Int(CBench_number(2, usage))
        let begin = measure_now()
        do throws(JournalError) {
            let spool = try open(String(cString: path))
            let part = min(part, max(1, count - few))
            try put(0..<min(few, count), spool, group)
            measure_pause()
            let early = measure_now()
            try put(few..<few + part, spool, group)
            let middle = measure_now()
            try put(few + part..<max(few + part, count - part), spool, group)
            let late = measure_now()
            try put(max(few + part, count - part)..<count, spool, group)
            let end = measure_now()
            measure_pause()
            try take(count, spool, group)
            measure_print(begin, Int32(count))
            CBench_result("put-early", (middle.microseconds - early.microseconds) / Double(part))
            CBench_result("put-late", (end.microseconds - late.microseconds) / Double(part))
        } catch {
            CBench_fail("SpoolBench: the disk failed")
        }
    }

    private static func open(_ path: String) throws(JournalError) -> Spool {
        let directory: PrivateDirectory
        let master: [UInt8]
        do throws(PosixError) {
            directory = try PrivateDirectory(creating: path)
            master = try MasterKey.open(directory)
        } catch {
            CBench_fail("SpoolBench: the directory cannot be used")
        }
        guard let keys = try? OpenSSLSegmentKeys(master: master.span) else { throw .noKeys }
        return try Spool(
            Journal(
                storage: DirectoryStorage(directory), keys: keys, device: Array("pump-7".utf8),
                stream: Spool.stream(.normal), segmentSize: Spool.segmentSize(1 << 30), historySize: nil))
    }

    private static func put(_ numbers: Range<Int>, _ spool: Spool, _ group: Int) throws(JournalError) {
        var body = [UInt8](repeating: UInt8(ascii: "x"), count: payload)
        for number in numbers {
            for place in 0..<4 { body[place] = UInt8(truncatingIfNeeded: number >> (8 * place)) }
            let content = body
            let isAppended = try? spool.append(sequence: UInt64(number), readings: 1) { record in
                record.append(contentsOf: content)
                return Digest(InlineArray(repeating: 0))
            }
            if isAppended != true { CBench_fail("SpoolBench: an envelope was not taken") }
            if number % group == group - 1 || number == numbers.upperBound - 1 { try spool.commit(at: 0) }
        }
    }

    private static func take(_ count: Int, _ spool: Spool, _ group: Int) throws(JournalError) {
        var next = 0
        while next < count {
            let first = next
            while next < count, next - first < group {
                let isSent = spool.sendNext { sequence, _, envelope in
                    var number = 0
                    for place in 0..<4 { number |= Int(envelope[place]) << (8 * place) }
                    return sequence == UInt64(next) && number == next && envelope.count == payload
                }
                if !isSent { CBench_fail("SpoolBench: an envelope is missing, or damaged") }
                next += 1
            }
            for number in first..<next { spool.release(UInt64(number)) }
        }
        // What a device writes with the next readings.
        try spool.commit(at: 0)
        if spool.count > 0 { CBench_fail("SpoolBench: something is left") }
    }
}
