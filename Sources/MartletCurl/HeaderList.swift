// SPDX-License-Identifier: Apache-2.0

import CCurl

/// Owns a list of header lines, as libcurl takes it.
final class HeaderList {
    private(set) var list: UnsafeMutablePointer<curl_slist>?

    /// The headers of `request`. libcurl's own words about a body are left out: it would wait for leave to send a long
    /// one, and call one without a type a form.
    init(_ request: HTTPSRequest) throws(HTTPSError) {
        for header in request.headers {
            guard (1...HTTPSHeader.maximumLength).contains(header.value.count),
                header.value.allSatisfy({ (0x20...0x7E).contains($0) })
            else { throw .invalidRequest }
            try append(header.name, header.value)
        }
        if let body = request.body {
            try append("Content-Type", body.contentType.withUTF8Buffer { [UInt8]($0) })
            try append("Expect", [])
        }
    }

    deinit { CCurl_free_list(list) }

    /// An empty value means that there is no such line.
    private func append(_ name: StaticString, _ value: [UInt8]) throws(HTTPSError) {
        let line = name.withUTF8Buffer { [UInt8]($0) } + [UInt8(ascii: ":"), UInt8(ascii: " ")] + value + [0]
        let longer = line.withUnsafeBytes {
            CCurl_append(list, $0.baseAddress?.assumingMemoryBound(to: CChar.self))
        }
        guard let longer else { throw .outOfMemory }
        list = longer
    }
}
