// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE

/// When a device's certificate is to be renewed: between 60 % and 70 % of its lifetime, at a place that the certificate
/// itself decides. So devices that were certified in one minute do not all come back in one minute, a restart changes
/// nothing, and a third of the lifetime is left for a registrar that is away.
public enum RenewalTime {
    /// Seconds since 1970. One that has no lifetime is due when it begins.
    ///
    /// - Parameters:
    ///   - notBefore: begin and end of validity, in seconds since 1970.
    ///   - fingerprint: SHA-256 of the certificate's DER.
    public static func due(notBefore: Int64, notAfter: Int64, fingerprint: Digest) -> Int64 {
        let (lifetime, isOverflow) = notAfter.subtractingReportingOverflow(notBefore)
        guard !isOverflow, lifetime > 0 else { return notBefore }
        let place = Int64(fingerprint.bytes[0]) << 8 | Int64(fingerprint.bytes[1])
        // Of 10 * 65,536 parts. In two steps, so that no product overflows.
        let parts: Int64 = 10 << 16
        let wanted = 6 << 16 + place
        return notBefore + lifetime / parts * wanted + lifetime % parts * wanted / parts
    }
}
