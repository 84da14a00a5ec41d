// SPDX-License-Identifier: Apache-2.0

import MartletOpenSSL

/// Servers that are refused for how they speak.
extension BadServer {
    /// Lets `s_server` do what it no longer does by itself.
    static let weakServer = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]

    private static func suite(_ name: String, _ suite: String, rsa: Bool = false) -> BadServer {
        tls(name, .noSharedCipher, options: ["-tls1_2", "-cipher", suite + ":@SECLEVEL=0"]) {
            rsa ? try $0.forge(extensions: good, key: ["rsa:2048"]) : $0.server.files
        }
    }

    /// A key for which TLS has no signature that we accept: the server itself says that nothing fits.
    private static func key(_ name: String, _ key: [String]) -> BadServer {
        tls(name, .noSharedCipher, options: weakServer) { try $0.forge(extensions: good, key: key) }
    }

    static let protocols = [
        tls("TLS 1.0", .protocolVersion, options: ["-tls1"] + weakServer) { $0.server.files },
        tls("TLS 1.1", .protocolVersion, options: ["-tls1_1"] + weakServer) { $0.server.files },
        suite("no encryption", "ECDHE-ECDSA-NULL-SHA"),
        suite("no encryption, RSA", "NULL-SHA256", rsa: true),
        suite("no certificate", "AECDH-AES256-SHA"),
        suite("no certificate, finite field", "ADH-AES256-GCM-SHA384"),
        suite("no forward secrecy", "AES128-GCM-SHA256", rsa: true),
        suite("finite field", "DHE-RSA-AES128-GCM-SHA256", rsa: true),
        suite("CBC and SHA-1", "ECDHE-ECDSA-AES128-SHA"),
        suite("CBC and SHA-384", "ECDHE-ECDSA-AES256-SHA384"),
        suite("CCM with 8 bytes", "ECDHE-ECDSA-AES128-CCM8"),
        tls("CCM alone in TLS 1.3", .noSharedCipher, options: ["-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"]) {
            $0.server.files
        },
        tls("a group that we do not accept", .noSharedCipher, options: ["-groups", "X448"]) { $0.server.files },
        key("P-224", ["ec", "-pkeyopt", "ec_paramgen_curve:P-224"]),
        key("secp256k1", ["ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"]),
        key("Ed448", ["ed448"]),
    ]

    /// A ServerHello (RFC 5246 §7.4.1.3) without extensions, in a record.
    private static func hello(
        version: [UInt8] = [3, 3], suite: [UInt8] = [0xC0, 0x2B], compression: UInt8 = 0, random: [UInt8] = []
    ) -> TCPServer.Answer {
        let body = version + [UInt8](repeating: 7, count: 32 - random.count) + random + [0] + suite + [compression]
        return record(version: version, [2, 0, 0, UInt8(body.count)] + body)
    }

    private static func record(version: [UInt8] = [3, 3], _ message: [UInt8]) -> TCPServer.Answer {
        .bytes([0x16] + version + [UInt8(message.count >> 8), UInt8(message.count & 0xFF)] + message)
    }

    static let hellos = [
        tcp("a hello of SSL 3.0", .protocolVersion, hello(version: [3, 0])),
        tcp("a hello of TLS 1.1", .protocolVersion, hello(version: [3, 2])),
        tcp("a hello with a suite that was not offered", .noSharedCipher, hello(suite: [0, 0x2F])),
        // RFC 8446 §4.1.3: what a server of TLS 1.3 says when it was made to speak 1.2.
        tcp("a hello that was downgraded", .protocolVersion, hello(random: Array("DOWNGRD\u{1}".utf8))),
        tcp("a hello with compression", .notTLS, hello(compression: 1)),
        tcp("a hello that ends within", .notTLS, record([2, 0, 0, 4, 3, 3, 7, 7])),
        tcp("a hello of 16 MB", .inputLimit, record([2, 0xFF, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 1000))),
        tcp("a client's hello", .notTLS, record([1, 0, 0, 2, 3, 3])),
        tcp("a certificate before a hello", .notTLS, record([11, 0, 0, 3, 0, 0, 0])),
        tcp("a record of 64 kB", .notTLS, .bytes([0x16, 3, 3, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 1000))),
        tcp("a record of data", .notTLS, .bytes([0x17, 3, 3, 0, 3, 1, 2, 3])),
        tcp("a hello of SSL 2.0", .notTLS, .bytes([0x80, 0x0B, 4, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0])),
        tcp("an alert", .alert(80), .bytes([0x15, 3, 3, 0, 2, 2, 80])),
    ]

    static let strangers = [
        tcp("MQTT without TLS", .notTLS, .bytes([0x20, 0x03, 0x00, 0x00, 0x00])),
        tcp("HTTP", .notTLS, .bytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))),
        tcp("SSH", .notTLS, .bytes(Array("SSH-2.0-OpenSSH_9.2p1\r\n".utf8))),
        tcp("a greeting with an escape sequence", .notTLS, .bytes(Array("220 \u{1b}[31mmail\u{202e}\r\n".utf8))),
        tcp("ones", .notTLS, .bytes([UInt8](repeating: 0xff, count: 300))),
        tcp("zeros", .notTLS, .bytes([UInt8](repeating: 0, count: 300))),
        tcp("an end", .closed, .end),
        tcp("a reset", nil, .reset),
    ]
}
