// SPDX-License-Identifier: Apache-2.0

/// What the holder of a certificate does with it (RFC 5280 §4.2.1.12).
public enum CertificatePurpose: Hashable, Sendable {
    /// A client or device. A certificate that does not say what it is for is accepted: many device CAs leave it out.
    case client
    /// A server. The certificate must say serverAuth.
    case server
}
