// SPDX-License-Identifier: Apache-2.0

import MartletController

/// A device's key, as what is below the controller's interface wants it.
final class DeviceKey: Signer, Hashing {
    let key: PrivateKey
    let hash: SHA256
    let algorithm = COSEAlgorithm.es256

    init() throws {
        key = try PrivateKey.generate(.p256)
        hash = try SHA256()
    }

    func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes {
        do throws(OpenSSLError) { return try key.sign(message, digest: digest.bytes) } catch {
            throw .signingFailed
        }
    }

    func sha256(_ bytes: Span<UInt8>) -> Digest { Digest(hash.digest(bytes)) }
}
