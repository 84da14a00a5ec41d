// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE

/// In the place of a key where thousands of devices are simulated: a hash over public key and message, at a hundredth
/// of the cost of Ed25519. Whoever knows the public key can sign, so it is for tests whose attackers do not try.
final class StandInKey: Signer, Verifier {
    let algorithm = COSEAlgorithm.edDSA
    /// In the shape of an Ed25519 key (RFC 8410 section 4).
    let publicKey: [UInt8]
    private let hashing: any Hashing

    init(seed: UInt64, hashing: any Hashing) {
        let random = SeededEntropy(seed: seed)
        var key: [UInt8] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]
        for _ in 0..<32 { key.append(UInt8(truncatingIfNeeded: random.below(256))) }
        publicKey = key
        self.hashing = hashing
    }

    init(publicKey: [UInt8], hashing: any Hashing) {
        self.publicKey = publicKey
        self.hashing = hashing
    }

    func sign(_ message: Span<UInt8>, digest: Digest) throws(COSEError) -> SignatureBytes { signature(digest) }

    func verifies(_ signature: SignatureBytes, _ message: Span<UInt8>, digest: Digest) -> Bool {
        let right = self.signature(digest)
        for index in right.indices where right[index] != signature[index] { return false }
        return true
    }

    private func signature(_ digest: Digest) -> SignatureBytes {
        var input = publicKey
        for index in digest.bytes.indices { input.append(digest.bytes[index]) }
        let hash = hashing.sha256(input.span).bytes
        return SignatureBytes { hash[$0 % 32] }
    }
}

/// Takes the keys of a document for stand-ins.
final class StandInKeyReading: KeyReading {
    private let hashing: any Hashing

    init(hashing: any Hashing) { self.hashing = hashing }

    func verifier(publicKey: Span<UInt8>) -> (any Verifier)? {
        var key: [UInt8] = []
        for index in publicKey.indices { key.append(publicKey[index]) }
        return key.count == 44 ? StandInKey(publicKey: key, hashing: hashing) : nil
    }
}
