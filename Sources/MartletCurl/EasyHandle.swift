// SPDX-License-Identifier: Apache-2.0

import CCurl

/// Owns one of libcurl's handles, with its connection, and is set anew for each request.
final class EasyHandle {
    private let handle: UnsafeMutableRawPointer
    /// The first option that libcurl did not take.
    private var code = CURLE_OK

    init() throws(HTTPSError) {
        switch CCurl_load() {
        case CCURL_LOADED: break
        case CCURL_MISSING: throw .libraryMissing
        default: throw .libraryUnsuitable
        }
        guard let handle = CCurl_new() else { throw .outOfMemory }
        self.handle = handle
    }

    deinit { CCurl_free(handle) }

    func set(_ option: CURLoption, _ value: Int) { note(CCurl_set_long(handle, option, value)) }

    func set(_ option: CURLoption, pointer: UnsafeRawPointer?) { note(CCurl_set_pointer(handle, option, pointer)) }

    func set(_ option: CURLoption, text: StaticString) { set(option, pointer: text.utf8Start) }

    func set(_ option: CURLoption, _ function: @escaping curl_write_callback) {
        note(CCurl_set_data(handle, option, function))
    }

    func setProgress(_ function: @escaping curl_xferinfo_callback) { note(CCurl_set_progress(handle, function)) }

    func setContextFunction(_ function: @escaping curl_ssl_ctx_callback) {
        note(CCurl_set_ssl_context(handle, function))
    }

    private func note(_ result: CURLcode) {
        if code == CURLE_OK { code = result }
    }

    /// Sets what `request` and `transfer` say, after `verify` said how the server is verified, and performs it.
    func perform(
        _ request: HTTPSRequest, _ transfer: Transfer, through proxy: HTTPSProxy? = nil, verify: () -> Void
    ) throws(HTTPSError) -> HTTPSResponse {
        guard request.limits.isUsable, (request.body?.bytes.count ?? 0) <= HTTPSBody.maximumLength else {
            throw .invalidRequest
        }
        let headers = try HeaderList(request)
        CCurl_reset(handle)
        code = CURLE_OK
        defer { CCurl_reset(handle) }
        setAmbient()
        if let proxy { use(proxy) }
        verify()
        // A libcurl that was built without HTTP/2 refuses that, and speaks 1.1.
        let version = request.offersHTTP2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
        _ = CCurl_set_long(handle, CURLOPT_HTTP_VERSION, version)
        setLimits(request.limits)
        transfer.attach(to: self)
        set(CURLOPT_HTTPHEADER, pointer: headers.list)
        (request.url.bytes + [0]).withUnsafeBytes { set(CURLOPT_URL, pointer: $0.baseAddress) }
        let result: CURLcode
        if let body = request.body?.bytes {
            set(CURLOPT_POST, 1)
            set(CURLOPT_POSTFIELDSIZE, body.count)
            // Also of an empty body: NULL would mean that it is read from standard input.
            result = (body + [0]).withUnsafeBytes {
                set(CURLOPT_POSTFIELDS, pointer: $0.baseAddress)
                return run()
            }
        } else {
            result = run()
        }
        withExtendedLifetime((headers, transfer)) {}
        if let failure = transfer.failure { throw failure }
        guard result == CURLE_OK else { throw proxy.flatMap { _ in proxyError(result) } ?? error(result) }
        guard transfer.head.isComplete else { throw .closed }
        return HTTPSResponse(
            status: CCurl_get_long(handle, CURLINFO_RESPONSE_CODE), contentType: transfer.head.contentType,
            retryAfter: transfer.head.retryAfter, date: transfer.head.date, body: transfer.body)
    }

    private func run() -> CURLcode { code == CURLE_OK ? CCurl_perform(handle) : code }

    /// Nothing of the environment, of files or of other servers takes part; what libcurl would ask for by default is
    /// said as well.
    private func setAmbient() {
        set(CURLOPT_PROTOCOLS_STR, text: "https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROXY, text: "")
        set(CURLOPT_NOPROXY, text: "*")
        set(CURLOPT_NETRC, CCurl_netrc_ignored)
        set(CURLOPT_CAINFO, pointer: nil)
        set(CURLOPT_CAPATH, pointer: nil)
        set(CURLOPT_PROXY_CAINFO, pointer: nil)
        set(CURLOPT_PROXY_CAPATH, pointer: nil)
        set(CURLOPT_CA_CACHE_TIMEOUT, 0)
        // Sessions are the policy's.
        set(CURLOPT_SSL_SESSIONID_CACHE, 0)
        set(CURLOPT_ACCEPT_ENCODING, pointer: nil)
        set(CURLOPT_MAXCONNECTS, 1)
        // Seconds: a server is verified anew every hour.
        set(CURLOPT_MAXLIFETIME_CONN, 3600)
        set(CURLOPT_NOSIGNAL, 1)
        // A name server that does not answer must not outlast the limits.
        set(CURLOPT_QUICK_EXIT, 1)
    }

    private func use(_ proxy: HTTPSProxy) {
        (proxy.bytes + [0]).withUnsafeBytes { set(CURLOPT_PROXY, pointer: $0.baseAddress) }
        set(CURLOPT_NOPROXY, text: "")
        // What a request shows is for the server alone, and what the proxy answers is no part of the answer.
        set(CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE))
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    }

    /// nil if the proxy made the tunnel.
    private func proxyError(_ code: CURLcode) -> HTTPSError? {
        let status = CCurl_get_long(handle, CURLINFO_HTTP_CONNECTCODE)
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY: return .proxy(status: 0)
        default: return status == 0 || (200..<300).contains(status) ? nil : .proxy(status: status)
        }
    }

    private func setLimits(_ limits: HTTPSLimits) {
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(limits.connect))
        set(CURLOPT_TIMEOUT_MS, Int(limits.total))
        set(CURLOPT_LOW_SPEED_LIMIT, 16)
        set(CURLOPT_LOW_SPEED_TIME, Int(limits.idle))
        // What announces more than that is not begun.
        set(CURLOPT_MAXFILESIZE, limits.body)
    }

    private func error(_ code: CURLcode) -> HTTPSError {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: .unresolved
        case CURLE_COULDNT_CONNECT:
            .connect(errno: Int32(truncatingIfNeeded: CCurl_get_long(handle, CURLINFO_OS_ERRNO)))
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM: .tls
        // The last one is also that of a server which says that it goes away.
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2: .closed
        case CURLE_HTTP2_STREAM: .reset
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING: .notHTTP
        case CURLE_FILESIZE_EXCEEDED: .tooLarge
        case CURLE_OPERATION_TIMEDOUT: .timedOut
        case CURLE_URL_MALFORMAT: .invalidURL
        case CURLE_UNKNOWN_OPTION, CURLE_NOT_BUILT_IN: .libraryUnsuitable
        case CURLE_OUT_OF_MEMORY: .outOfMemory
        default: .other(code.rawValue)
        }
    }
}

extension HTTPSLimits {
    /// Within what `long` can say on every board.
    fileprivate var isUsable: Bool {
        (0...HTTPSBody.maximumLength).contains(body) && connect > 0 && connect <= Int32.max && total > 0
            && total <= Int32.max && idle > 0 && idle <= 86_400
    }
}
