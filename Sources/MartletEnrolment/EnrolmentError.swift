// SPDX-License-Identifier: Apache-2.0

/// Why a registrar's answer is of no use.
public enum EnrolmentError: Error, Hashable, Sendable {
    /// It knows neither this token nor this certificate (401).
    case credentialRefused
    /// It knows the device and says no (403).
    case notAllowed
    /// There is no such service below this path (404).
    case noSuchService
    /// It sends the device elsewhere; a credential is never taken there.
    case redirected
    /// Another status of HTTP.
    case status(Int)
    /// More than 64 KiB.
    case tooLarge
    case wrongContentType
    case notBase64

    /// In a few words, for people.
    public var text: StaticString {
        switch self {
        case .credentialRefused: "the registrar refused the token or certificate (401)"
        case .notAllowed: "the registrar does not allow it (403)"
        case .noSuchService: "the registrar has no such service: check the path in est (404)"
        case .redirected: "the registrar sends elsewhere, which is not followed: check est"
        case .status: "the registrar answered with an error"
        case .tooLarge: "the registrar's answer is larger than 64 KiB"
        case .wrongContentType: "the registrar's answer is of another type: is this a server for EST?"
        case .notBase64: "the registrar's answer is not base 64"
        }
    }
}
