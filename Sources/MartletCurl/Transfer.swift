// SPDX-License-Identifier: Apache-2.0

import CCurl

/// What libcurl's callbacks learn in one request. They are called on the thread that performs it.
final class Transfer {
    let policy: (any HTTPSPolicy)?
    private let cancellation: HTTPSCancellation
    private let limit: Int
    private var headerCount = 0
    /// Bytes of the request's body.
    private var sent: curl_off_t = 0
    private(set) var head = ResponseHead()
    private(set) var body: [UInt8] = []
    /// Why a callback ended it.
    private(set) var failure: HTTPSError?

    /// - Parameters:
    ///   - limit: bytes of the body.
    ///   - policy: nil only where the server is not verified.
    init(limit: Int, policy: (any HTTPSPolicy)?, cancellation: HTTPSCancellation) {
        self.limit = limit
        self.policy = policy
        self.cancellation = cancellation
    }

    /// Lets the handle call back until it is reset.
    func attach(to handle: EasyHandle) {
        let reference = Unmanaged.passUnretained(self).toOpaque()
        handle.set(CURLOPT_HEADERFUNCTION, takesHeader)
        handle.set(CURLOPT_HEADERDATA, pointer: reference)
        handle.set(CURLOPT_WRITEFUNCTION, takesBody)
        handle.set(CURLOPT_WRITEDATA, pointer: reference)
        handle.setProgress(reportsProgress)
        handle.set(CURLOPT_XFERINFODATA, pointer: reference)
        handle.set(CURLOPT_NOPROGRESS, 0)
        if policy != nil {
            handle.setContextFunction(configures)
            handle.set(CURLOPT_SSL_CTX_DATA, pointer: reference)
        }
    }

    fileprivate static func of(_ data: UnsafeMutableRawPointer?) -> Transfer? {
        data.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
    }

    fileprivate func take(header line: UnsafeBufferPointer<UInt8>) -> Bool {
        policy?.received()
        // What follows the body is no header.
        guard body.isEmpty else { return true }
        headerCount += line.count
        guard headerCount <= ResponseHead.maximumSize else { return end(.tooLarge) }
        head.take(line.span)
        return true
    }

    fileprivate func take(body part: UnsafeBufferPointer<UInt8>) -> Bool {
        guard part.count <= limit - body.count else { return end(.tooLarge) }
        policy?.received()
        body.append(contentsOf: part)
        return true
    }

    fileprivate func goesOn(_ sent: curl_off_t) -> Bool {
        // A server of HTTP/2 says of what arrives that it may be followed (RFC 9113 §6.9): no input without end.
        if sent > self.sent { policy?.received() }
        self.sent = sent
        return cancellation.isCancelled ? end(.cancelled) : true
    }

    private func end(_ reason: HTTPSError) -> Bool {
        failure = reason
        return false
    }
}

/// The bytes that libcurl lends.
private func bytes(_ start: UnsafeMutablePointer<CChar>?, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count).assumingMemoryBound(to: UInt8.self)
}

/// The size of one element is always 1. Another count than theirs ends the transfer.
private func takesHeader(
    _ start: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ data: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = Transfer.of(data), transfer.take(header: bytes(start, count)) else { return -1 }
    return count
}

private func takesBody(
    _ start: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ data: UnsafeMutableRawPointer?
) -> Int {
    guard let transfer = Transfer.of(data), transfer.take(body: bytes(start, count)) else { return -1 }
    return count
}

private func reportsProgress(
    _ data: UnsafeMutableRawPointer?, _ expected: curl_off_t, _ received: curl_off_t, _ toSend: curl_off_t,
    _ sent: curl_off_t
) -> Int32 { Transfer.of(data)?.goesOn(sent) == true ? 0 : 1 }

private func configures(
    _ handle: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?, _ data: UnsafeMutableRawPointer?
) -> CURLcode {
    guard let context, let policy = Transfer.of(data)?.policy, policy.configure(context) else {
        return CURLE_SSL_CERTPROBLEM
    }
    return CURLE_OK
}
