// SPDX-License-Identifier: Apache-2.0

/// Why there is no answer. Holds nothing of a request or an answer.
public enum HTTPSError: Error, Hashable, Sendable {
    /// This machine has no libcurl.so.4 (Debian: libcurl4).
    case libraryMissing
    /// Its libcurl.so.4 does not use OpenSSL 3, or is older than 7.87.
    case libraryUnsuitable
    /// No `https` URL as `HTTPSURL` takes it.
    case invalidURL
    /// A header's value is empty, too long or not printable ASCII; or a body or limit is beyond its bound.
    case invalidRequest
    /// The URL names another server than the policy is for.
    case otherServer
    /// The server's name has no address, or no name server answers.
    case unresolved
    /// No TCP connection; `errno` says why (a port where nobody listens: ECONNREFUSED), 0 if that is not known.
    case connect(errno: Int32)
    /// The proxy is not there, or refuses the tunnel with this status; 0 if there is none.
    case proxy(status: Int)
    /// TLS failed; the policy knows why.
    case tls
    /// The connection ended before the answer was complete; by HTTP/2 perhaps because what came broke its rules.
    case closed
    /// By HTTP/2: the request ended without a whole answer, and the connection did not. HTTP/1.1 may bring one.
    case reset
    /// What arrived is not HTTP, or breaks its rules.
    case notHTTP
    /// The headers or the body exceed their limit.
    case tooLarge
    /// A limit in time was reached, or next to nothing arrived for too long.
    case timedOut
    case cancelled
    /// The server answered with another status than the one needed.
    case status(Int)
    case outOfMemory
    /// Another reason; the number is libcurl's `CURLE_…`.
    case other(UInt32)

    /// What is wrong, and what to do about it, where that can be said without the number beside it.
    public var text: StaticString {
        switch self {
        case .libraryMissing: "libcurl is not installed: apt-get install libcurl4"
        case .libraryUnsuitable: "this libcurl is not usable: it needs OpenSSL 3 and version 7.87 or later"
        case .invalidURL: "not an https URL"
        case .invalidRequest: "the request cannot be sent: a header or a body is not usable"
        case .otherServer: "the URL names another server than the one that is to be verified"
        case .unresolved: "the server's name was not resolved: check the name and this device's name servers"
        case .connect: "no connection to the server: check its address, port and firewall"
        case .proxy: "the proxy is not reached, or refuses the tunnel: check its address, port and rules"
        case .tls: "TLS failed"
        case .closed: "the connection ended before the answer was complete"
        case .reset: "the server gave up the request"
        case .notHTTP: "the server does not speak HTTP"
        case .tooLarge: "the server's answer is too large"
        case .timedOut: "the server did not answer in time"
        case .cancelled: "cancelled"
        case .status: "the server answered with another status"
        case .outOfMemory: "out of memory"
        case .other: "libcurl failed"
        }
    }
}
