// SPDX-License-Identifier: Apache-2.0

/// What a server answered, whatever its status. A redirect is an answer like any other: nothing is followed.
public struct HTTPSResponse: Sendable {
    /// As RFC 9110 §15 lists them.
    public let status: Int
    /// As the server wrote it, with its parameters; empty if it did not.
    public let contentType: [UInt8]
    /// Seconds to wait before the next request, if the server says so (RFC 9110 §10.2.3).
    public let retryAfter: UInt32?
    /// The server's clock, in seconds since 1970.
    public let date: Int64?
    public let body: [UInt8]
}
