// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletAdapters
import MartletCOSE
import MartletOpenSSL
import MartletPosix

/// COSE_Sign1 with ES256 of a payload of 300 bytes: `SignBench KEY sign|verify COUNT`, to be counted for two numbers
/// of rounds.
@main struct SignBench {
    private static let usage = "usage: SignBench KEY sign|verify COUNT"
    private static let purpose = Array("martlet/1/telemetry".utf8)
    /// {1: -7}
    private static let header: [UInt8] = [0xa1, 0x01, 0x26]
    private static let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 300)

    static func main() {
        guard let path = CBench_argument(0), let work = CBench_argument(1) else { CBench_fail(usage) }
        let count = CBench_number(2, usage)
        do throws(COSEError) {
            let (key, hashing) = prepare(String(cString: path))
            var structure = SigStructure(limit: 1024)
            var message: [UInt8] = []
            if UInt8(bitPattern: work[0]) == UInt8(ascii: "s") {
                let signer = KeySigner(key)
                for _ in 0..<count {
                    message.removeAll(keepingCapacity: true)
                    try sign(&message, signer, hashing, &structure)
                }
            } else {
                let verifier = KeyVerifier(key.publicKey)
                try sign(&message, KeySigner(key), hashing, &structure)
                let received = message
                for _ in 0..<count {
                    let sign1 = try Sign1(decoding: received.span, tagging: .required)
                    _ = try sign1.verify(
                        received.span, external: purpose.span, with: verifier, hashing: hashing, structure: &structure)
                }
            }
            let size = try structure.with(protected: header.span, external: purpose.span, payload: payload.span) {
                (bytes) throws(COSEError) in bytes.count
            }
            CBench_result("signed-bytes", Double(size))
        } catch {
            CBench_fail("SignBench: COSE failed")
        }
    }

    private static func sign(
        _ message: inout [UInt8], _ key: KeySigner, _ hashing: OpenSSLHashing, _ structure: inout SigStructure
    ) throws(COSEError) {
        _ = try Sign1.append(
            to: &message, protected: header.span, payload: payload.span, external: purpose.span, by: key,
            hashing: hashing, structure: &structure)
    }

    private static func prepare(_ path: String) -> (PrivateKey, OpenSSLHashing) {
        do throws(PosixError) {
            let pem = try PublicFile.read(path, limit: 65_536)
            do throws(OpenSSLError) { return (try PrivateKey(pem: pem.span), try OpenSSLHashing()) } catch {
                CBench_fail("SignBench: the key cannot be used")
            }
        } catch {
            CBench_fail("SignBench: the key cannot be read")
        }
    }
}
