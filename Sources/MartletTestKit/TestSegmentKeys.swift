// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
public import MartletJournal

/// Real segment keys whose master key and salts follow from a seed. Everybody knows them: never use them outside a test.
public final class TestSegmentKeys: SegmentKeys {
    /// What a key was used for: two of them with one key and index, but different bytes, would break AES-GCM.
    public struct Sealing {
        /// What the key is derived from: salt and info.
        public let key: [UInt8]
        public let index: UInt64
        public let sealed: [UInt8]
    }

    private let keys: OpenSSLSegmentKeys
    private let salts: SeededEntropy
    private let record = SealingRecord()

    /// Whether there are no salts to be had.
    public var isExhausted = false

    public init(seed: UInt64) throws(TestKitError) {
        let random = SeededEntropy(seed: seed)
        let master = bytes32(random)
        do { keys = try OpenSSLSegmentKeys(master: master.span) } catch { throw .openSSL(error) }
        salts = random
    }

    /// Everything that was ever sealed.
    public var sealings: [Sealing] { record.sealings }

    /// How often different bytes were sealed with one key and nonce. It may never happen.
    public var reusedNonces: Int {
        var seen: [[UInt8]: [UInt8]] = [:]
        var count = 0
        for sealing in sealings {
            var place = sealing.key
            for byte in 0..<8 as Range<UInt64> { place.append(UInt8(truncatingIfNeeded: sealing.index >> (8 * byte))) }
            if let sealed = seen[place], sealed != sealing.sealed { count += 1 }
            seen[place] = sealing.sealed
        }
        return count
    }

    public func salt() -> InlineArray<32, UInt8>? { isExhausted ? nil : bytes32(salts) }

    public func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? {
        guard let cipher = keys.cipher(salt: salt, info: info) else { return nil }
        var key: [UInt8] = []
        for index in salt.indices { key.append(salt[index]) }
        for index in info.indices { key.append(info[index]) }
        return RecordingCipher(cipher, key, record)
    }
}

private func bytes32(_ random: SeededEntropy) -> InlineArray<32, UInt8> {
    var bytes = InlineArray<32, UInt8>(repeating: 0)
    for index in bytes.indices { bytes[index] = UInt8(truncatingIfNeeded: random.next() as UInt64) }
    return bytes
}

private final class SealingRecord {
    var sealings: [TestSegmentKeys.Sealing] = []
}

private final class RecordingCipher: SegmentCipher {
    private let cipher: any SegmentCipher
    private let key: [UInt8]
    private let record: SealingRecord

    init(_ cipher: any SegmentCipher, _ key: [UInt8], _ record: SealingRecord) {
        self.cipher = cipher
        self.key = key
        self.record = record
    }

    func seal(_ bytes: inout [UInt8], from start: Int, index: UInt64, additional: Span<UInt8>) -> Bool {
        guard cipher.seal(&bytes, from: start, index: index, additional: additional) else { return false }
        record.sealings.append(TestSegmentKeys.Sealing(key: key, index: index, sealed: [UInt8](bytes[start...])))
        return true
    }

    func open(
        _ sealed: Span<UInt8>, index: UInt64, additional: Span<UInt8>, into plaintext: inout [UInt8]
    ) -> Bool {
        cipher.open(sealed, index: index, additional: additional, into: &plaintext)
    }
}
