// SPDX-License-Identifier: Apache-2.0

import CSelfCheck

/// What random inputs follow from.
let seed: UInt64 = 8949

/// Checks the core where the test library does not exist: in Embedded Swift and on boards. It needs no file and no
/// network. The last line counts; the exit status is 1 if anything failed.
@main struct SelfCheck {
    static func main() {
        let start = CSelfCheck_milliseconds()
        note("seed", Int64(seed))
        note("bits of an Int", Int64(Int.bitWidth))
        let checks =
            CBORChecks.all + SenMLChecks.all + KeyChecks.all + COSEChecks.all + EnvelopeChecks.all + ClockChecks.all
            + SessionChecks.all + SpoolChecks.all + CommandChecks.all + TrustChecks.all + AuditChecks.all
            + HostileChecks.all + HTTPSChecks.all + DNSChecks.all + JournalChecks.all + SystemChecks.all
        let isGood = run(checks)
        note("time", CSelfCheck_milliseconds() - start, " ms")
        CSelfCheck_exit(isGood ? 0 : 1)
    }
}
