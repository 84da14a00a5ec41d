// SPDX-License-Identifier: Apache-2.0

/// Where segments get their keys from: one master key, which never leaves the implementation.
public protocol SegmentKeys: AnyObject {
    /// 32 unpredictable bytes; nil if there are none to be had.
    func salt() -> InlineArray<32, UInt8>?

    /// The cipher of one segment: AES-256-GCM with the key HKDF-SHA-256(master key, `salt`, `info`).
    /// nil if it cannot be set up.
    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)?
}

/// AES-256-GCM with the key of one segment. The nonce is 12 bytes: `index` as a big-endian number after 4 zero bytes.
public protocol SegmentCipher: AnyObject {
    /// Seals in place what `bytes` hold from `start` on, but for the last 16 bytes, which take the tag. False if that
    /// failed. The caller never gives an index twice.
    func seal(_ bytes: inout [UInt8], from start: Int, index: UInt64, additional: Span<UInt8>) -> Bool

    /// Replaces `plaintext` by what `sealed` holds. False, and `plaintext` is empty, unless the tag is right.
    func open(
        _ sealed: Span<UInt8>, index: UInt64, additional: Span<UInt8>, into plaintext: inout [UInt8]
    ) -> Bool
}
