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
    /// It is no list of attributes in DER.
    case notAttributes
    /// A request for the device's key would be refused: what of it is wrong, and what the registrar demands instead.
    case unfit(Aspect, demanded: [UInt8])

    /// Of a request, what a registrar may demand to be otherwise.
    public enum Aspect: Int, CaseIterable, Sendable {
        case key
        case curve
        case signature
        case hash
    }

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
        case .notAttributes: "the registrar's list of attributes cannot be read (CsrAttrs in DER)"
        case .unfit(.key, _): "the registrar demands another kind of key than this device's, which is P-256"
        case .unfit(.curve, _): "the registrar demands a key on another curve than this device's, which is P-256"
        case .unfit(.signature, _): "the registrar demands another signature than this device's, ECDSA with SHA-256"
        case .unfit(.hash, _): "the registrar demands another hash than this device's, SHA-256"
        }
    }
}
