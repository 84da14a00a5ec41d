// SPDX-License-Identifier: Apache-2.0

/// What is asked: GET, or POST if there is a body.
public struct HTTPSRequest: Sendable {
    public var url: HTTPSURL
    /// Beside those that say where the request goes and what its body is.
    public var headers: [HTTPSHeader]
    public var body: HTTPSBody?
    public var limits: HTTPSLimits
    /// Whether a new connection may speak HTTP/2, if the server chooses it; HTTP/1.1 otherwise.
    public var offersHTTP2 = true

    public init(
        url: HTTPSURL, headers: [HTTPSHeader] = [], body: HTTPSBody? = nil, limits: HTTPSLimits = HTTPSLimits()
    ) {
        self.url = url
        self.headers = headers
        self.body = body
        self.limits = limits
    }
}

/// A header field (RFC 9110 §5).
public struct HTTPSHeader: Sendable {
    /// The most bytes of a value.
    public static let maximumLength = 4096

    /// A token (RFC 9110 §5.6.2).
    public var name: StaticString
    /// 1 to 4,096 bytes of printable ASCII. It may be a secret: no error and no log line has it.
    public var value: [UInt8]

    public init(name: StaticString, value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// What a POST carries.
public struct HTTPSBody: Sendable {
    /// The most bytes of a body.
    public static let maximumLength = 16 * 1024 * 1024

    public var contentType: StaticString
    /// At most 16 MiB.
    public var bytes: [UInt8]

    public init(contentType: StaticString, bytes: [UInt8]) {
        self.contentType = contentType
        self.bytes = bytes
    }
}

/// How long to wait, and how much to take.
public struct HTTPSLimits: Sendable {
    /// The longest body of an answer, in bytes; at most 16 MiB.
    public var body: Int
    /// Milliseconds for name, TCP and TLS together.
    public var connect: UInt32
    /// Milliseconds for everything.
    public var total: UInt32
    /// Seconds for which less than 16 bytes a second may pass, also while the server thinks.
    public var idle: UInt32

    public init(body: Int = 64 * 1024, connect: UInt32 = 15_000, total: UInt32 = 60_000, idle: UInt32 = 30) {
        self.body = body
        self.connect = connect
        self.total = total
        self.idle = idle
    }
}
