// SPDX-License-Identifier: Apache-2.0

import Foundation

enum Base64 {
    /// In one line (RFC 4648 §4): some clients of EST cannot read white space, and nobody has to send it (RFC 8951 §3.1).
    static func line(_ bytes: [UInt8]) -> [UInt8] { [UInt8](Data(bytes).base64EncodedData()) }

    /// base64url without padding (RFC 4648 §5).
    static func url(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// nil unless it is base64url without padding.
    static func decoded(url text: some StringProtocol) -> [UInt8]? {
        if text.utf8.contains(where: { "+/= \t\r\n".utf8.contains($0) }) { return nil }
        let padding = String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return decoded((String(text).replacing("-", with: "+").replacing("_", with: "/") + padding).utf8)
    }

    /// White space is left out (RFC 8951 §3.1); nil if anything else is not base64.
    static func decoded(_ text: some Sequence<UInt8>) -> [UInt8]? {
        let letters = text.filter { $0 != 0x20 && !(0x09...0x0D).contains($0) }
        return Data(base64Encoded: Data(letters)).map { [UInt8]($0) }
    }
}
