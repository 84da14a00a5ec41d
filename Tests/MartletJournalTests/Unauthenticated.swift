// SPDX-License-Identifier: Apache-2.0

import MartletJournal

/// A twin of the keys that does not authenticate: a constant in the place of the tag, which is never looked at.
final class Unauthenticated: SegmentKeys, SegmentCipher {
    func salt() -> InlineArray<32, UInt8>? { InlineArray(repeating: 7) }

    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? { self }

    func seal(_ bytes: inout [UInt8], from start: Int, index: UInt64, additional: Span<UInt8>) -> Bool {
        for index in bytes.count - 16..<bytes.count { bytes[index] = 0xaa }
        return true
    }

    func open(
        _ sealed: Span<UInt8>, index: UInt64, additional: Span<UInt8>, into plaintext: inout [UInt8]
    ) -> Bool {
        plaintext = (0..<sealed.count - 16).map { sealed[$0] }
        return true
    }
}
