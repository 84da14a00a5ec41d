// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Between the times of certificates and seconds since 1970, without `time_t`, which ends in 2038 on 32-bit boards.
enum CertificateTime {
    private static let secondsPerDay: Int64 = 86_400
    /// The years 1950 to 9999, which the two ASN.1 forms hold (RFC 5280 §4.1.2.5).
    private static let range: ClosedRange<Int64> = -631_152_000...253_402_300_799

    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        // OpenSSL takes NULL for "now".
        guard let time, let epoch = ASN1_TIME_new() else { return nil }
        defer { ASN1_STRING_free(epoch) }
        var days: Int32 = 0
        var rest: Int32 = 0
        guard COpenSSL_set_time(epoch, 0, 0) == 1, ASN1_TIME_diff(&days, &rest, epoch, time) == 1 else {
            ERR_clear_error()
            return nil
        }
        return Int64(days) * secondsPerDay + Int64(rest)
    }

    static func set(_ seconds: Int64, _ time: UnsafeMutablePointer<ASN1_TIME>?) throws(OpenSSLError) {
        guard range.contains(seconds) else { throw .invalidTime }
        let rest = (seconds % secondsPerDay + secondsPerDay) % secondsPerDay
        let days = (seconds - rest) / secondsPerDay
        guard COpenSSL_set_time(time, Int32(days), Int(rest)) == 1 else { throw cleared(.failed) }
    }
}
