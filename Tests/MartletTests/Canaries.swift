// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport

/// Texts that betray a private key: parts of it as PEM, base64, hexadecimal and a list of numbers.
struct Canaries {
    let all: [String]

    init(_ key: PrivateKey) throws {
        let lines = String(decoding: try key.pem(), as: UTF8.self).split(separator: "\n")
            .filter { !$0.hasPrefix("-----") }
        guard let der = Data(base64Encoded: lines.joined()) else { throw CocoaError(.coderInvalidValue) }
        // P-256: SEQUENCE { 1, secret, …, public key }; Ed25519 ends in the secret.
        let marker = Data([0x02, 0x01, 0x01, 0x04, 0x20])
        let secret = der.range(of: marker).map { Data(der[$0.upperBound..<$0.upperBound + 32]) } ?? Data(der.suffix(32))
        // The first line of PEM is the same for all keys of a kind up to the secret.
        var texts = lines.dropFirst().map(String.init) + [String(lines[0].suffix(16))]
        for part in [secret.prefix(12), secret.suffix(12), secret[10..<22]].map({ Data($0) }) {
            let digits = hex(part)
            texts += [digits, digits.uppercased(), part.base64EncodedString()]
            texts += [part.map(String.init).joined(separator: ", "), part.map(String.init).joined(separator: ",")]
        }
        all = texts.filter { $0.count >= 8 }
    }
}
