// SPDX-License-Identifier: Apache-2.0

public import MartletCurl
public import MartletOpenSSL

/// HTTPS under the TLS policy: requests to the one server that a `TLSContext` is for.
///
/// A request to any other name is refused before anything is connected. Not safe for concurrent use, but for its
/// cancellation.
public final class VerifiedHTTPS: HTTPSPolicy {
    private let tls: TLSContext
    private let client: HTTPSClient
    private var time: Int64 = 0
    private var boottime: UInt64 = 0
    private var acceptNotYetValid = false
    private var isConfigured = false
    private let isRegistrar: Bool

    /// Loads libcurl, if this is its first use in the process.
    ///
    /// - Parameters:
    ///   - tls: used by nothing else.
    ///   - proxy: the way to the server.
    ///   - isRegistrar: as `TLSContext.configure` takes it.
    public init(
        tls: TLSContext, cancellation: HTTPSCancellation, proxy: HTTPSProxy? = nil, isRegistrar: Bool = false
    ) throws(HTTPSError) {
        self.tls = tls
        self.isRegistrar = isRegistrar
        client = try HTTPSClient(cancellation: cancellation, proxy: proxy)
    }

    /// Sends `request` and waits for the answer, within its limits. The times are those of `TLSContext.prepare`, for a
    /// connection that this request may begin; `TLSContext.provisional` tells of the one that it used.
    public func perform(
        _ request: HTTPSRequest, time: Int64, boottime: UInt64, acceptNotYetValid: Bool
    ) throws(HTTPSFailure) -> HTTPSResponse {
        guard tls.isFor(request.url.host) else { throw .https(.otherServer) }
        self.time = time
        self.boottime = boottime
        self.acceptNotYetValid = acceptNotYetValid
        isConfigured = false
        tls.beginRequest()
        do throws(HTTPSError) { return try client.perform(request, self) } catch {
            switch tls.failure {
            // What a handshake that broke off leaves behind depends on how the server left.
            case nil, .closed: throw .https(error == .tls && isConfigured ? .closed : error)
            case let failure?: throw .tls(failure)
            }
        }
    }

    /// Ends the connection that is kept, so that the next request verifies the server anew: when the clock becomes
    /// trusted, or before a long pause.
    public func disconnect() { client.disconnect() }

    public func configure(_ context: UnsafeMutableRawPointer) -> Bool {
        tls.prepare(time: time, boottime: boottime, acceptNotYetValid: acceptNotYetValid)
        isConfigured = (try? tls.configure(context, isRegistrar: isRegistrar)) != nil
        return isConfigured
    }

    public func received() { tls.resetInputCount() }
}

/// Why a request to a verified server has no answer.
public enum HTTPSFailure: Error, Hashable, Sendable {
    /// Never `closed`: a connection that ended is `https(.closed)`, at whatever point it did.
    case tls(TLSFailure)
    case https(HTTPSError)
}
