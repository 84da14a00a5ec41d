// SPDX-License-Identifier: Apache-2.0

/// What a registrar answered, as HTTP has it.
public struct ESTAnswer: Sendable {
    public var status: Int
    /// The media type with its parameters; empty if there is none.
    public var contentType: [UInt8]
    /// Seconds of Retry-After; nil if there is none.
    public var retryAfter: UInt64?
    public var body: [UInt8]

    public init(status: Int, contentType: [UInt8], retryAfter: UInt64?, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
        self.body = body
    }

    /// The most bytes of a body that is worth fetching.
    public static let maximumBody = 64 * 1024

    public enum Meaning: Hashable, Sendable {
        /// Certificates: a certs-only PKCS #7 in DER, not looked into.
        case certificates([UInt8])
        /// Attributes in DER, not looked into; empty if the registrar wants nothing in particular.
        case attributes([UInt8])
        /// The same request is to be made again after so many seconds.
        case later(UInt32)
    }

    /// Seconds until the same request is made again: what the registrar says, within these bounds. A registrar that says
    /// nothing means a minute; one that says years is asked each hour.
    public static let waits: ClosedRange<UInt32> = 5...3600
    static let usualWait: UInt32 = 60

    /// What it means as the answer to `operation` (RFC 7030 §4, RFC 8951).
    public func meaning(for operation: ESTServer.Operation) throws(EnrolmentError) -> Meaning {
        switch status {
        case 200: break
        // No attributes, or none that it could tell (§4.5.2).
        case 204, 404, 501:
            if operation == .attributes { return .attributes([]) }
            throw status == 404 ? .noSuchService : .status(status)
        // Manual approval (§4.2.3); too many requests, or not now. A server that failed may be restarted soon.
        case 202, 429, 500, 502, 503, 504: return .later(wait)
        case 300..<400: throw .redirected
        case 401: throw .credentialRefused
        case 403: throw .notAllowed
        default: throw .status(status)
        }
        guard body.count <= Self.maximumBody else { throw .tooLarge }
        guard isOf(operation == .attributes ? "application/csrattrs" : "application/pkcs7-mime") else {
            throw .wrongContentType
        }
        let text = body
        guard let content = Base64.decoded(text.span), !content.isEmpty else { throw .notBase64 }
        return operation == .attributes ? .attributes(content) : .certificates(content)
    }

    private var wait: UInt32 {
        guard let retryAfter else { return Self.usualWait }
        return min(max(UInt32(clamping: retryAfter), Self.waits.lowerBound), Self.waits.upperBound)
    }

    /// Whether the media type is this one, whatever its case and parameters.
    private func isOf(_ type: StaticString) -> Bool {
        let count = type.utf8CodeUnitCount
        guard contentType.count >= count else { return false }
        for index in 0..<count {
            let byte = contentType[index]
            let lower = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
            if lower != type.utf8Start[index] { return false }
        }
        if contentType.count == count { return true }
        let next = contentType[count]
        return next == UInt8(ascii: ";") || next == UInt8(ascii: " ") || next == 0x09
    }
}
