// SPDX-License-Identifier: Apache-2.0

import CCurl

/// The one exception to the rule that only verified servers are spoken to: a file from a server that may be anybody.
///
/// For the certificate of an authority whose fingerprint is known from elsewhere (RFC 7030 §4.1.1): whatever comes is
/// worth nothing before its SHA-256 is compared with that. The request has no header, no certificate and no body of
/// ours, and the connection is closed: everything else goes over a new one, which is verified.
package enum UnverifiedFetch {
    /// The most bytes of an answer.
    package static let maximumSize = 64 * 1024

    /// GET; the body of an answer with status 200, of 64 KiB at most.
    package static func get(
        _ url: HTTPSURL, connect: UInt32 = HTTPSLimits().connect, total: UInt32 = HTTPSLimits().total,
        cancellation: HTTPSCancellation
    ) throws(HTTPSError) -> [UInt8] {
        if cancellation.isCancelled { throw .cancelled }
        let handle = try EasyHandle()
        var request = HTTPSRequest(
            url: url, limits: HTTPSLimits(body: maximumSize, connect: connect, total: total))
        request.offersHTTP2 = false
        let transfer = Transfer(limit: maximumSize, policy: nil, cancellation: cancellation)
        let response = try handle.perform(request, transfer) {
            handle.set(CURLOPT_SSL_VERIFYPEER, 0)
            handle.set(CURLOPT_SSL_VERIFYHOST, 0)
            handle.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
            handle.set(CURLOPT_FORBID_REUSE, 1)
        }
        guard response.status == 200 else { throw .status(response.status) }
        return response.body
    }
}
