// SPDX-License-Identifier: Apache-2.0

import CCurl

/// What makes a connection trustworthy: who the server must be, and who we are. Called on the thread that performs.
public protocol HTTPSPolicy: AnyObject {
    /// A new connection begins. Makes `context`, the `SSL_CTX *` of that connection, verify the server's chain and
    /// name; false if that is not possible, and nothing is said then.
    func configure(_ context: UnsafeMutableRawPointer) -> Bool

    /// A header line or a part of the body arrived, within the limits, or a part of the request's body was sent: what
    /// came over the connection was worth it.
    func received()
}

/// Requests to servers that are verified.
///
/// HTTP/2 is spoken where the server chooses it, HTTP/1.1 otherwise. The connection is kept for the next request, for
/// an hour at most, and until a request fails. Nothing of the environment is asked, so no proxy is used but the given
/// one; no redirect is followed, no cookie kept, no password of a file used. Not safe for concurrent use.
public final class HTTPSClient {
    private var handle: EasyHandle?
    private let cancellation: HTTPSCancellation
    private let proxy: HTTPSProxy?

    /// Loads libcurl, if this is the first client of the process.
    ///
    /// - Parameters:
    ///   - cancellation: what ends requests from another thread.
    ///   - proxy: the way to the servers.
    public init(cancellation: HTTPSCancellation, proxy: HTTPSProxy? = nil) throws(HTTPSError) {
        self.cancellation = cancellation
        self.proxy = proxy
        handle = try EasyHandle()
    }

    /// Sends `request` and waits for the answer, within its limits: never call it on a thread that must go on.
    public func perform(_ request: HTTPSRequest, _ policy: any HTTPSPolicy) throws(HTTPSError) -> HTTPSResponse {
        if cancellation.isCancelled { throw .cancelled }
        let handle: EasyHandle
        if let kept = self.handle { handle = kept } else { handle = try EasyHandle() }
        self.handle = handle
        let transfer = Transfer(limit: request.limits.body, policy: policy, cancellation: cancellation)
        do throws(HTTPSError) {
            return try handle.perform(request, transfer, through: proxy) {
                handle.set(CURLOPT_SSL_VERIFYPEER, 1)
                handle.set(CURLOPT_SSL_VERIFYHOST, 2)
            }
        } catch {
            // libcurl keeps one of HTTP/2 that stopped working, or that still brings what nobody wants.
            disconnect()
            throw error
        }
    }

    /// Ends the connection that is kept, so that the next request verifies the server anew.
    public func disconnect() { handle = nil }
}
