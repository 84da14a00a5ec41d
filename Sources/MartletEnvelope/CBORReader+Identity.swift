// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR
public import MartletCOSE

/// Reading what envelopes and payloads have in common. `message` is what the reader reads.
extension CBORReader {
    @inline(never)
    public mutating func digest(_ message: Span<UInt8>) throws(CBORError) -> Digest {
        let at = offset
        guard let digest = Digest(copying: message.extracting(try bytes(exactly: 32))) else {
            throw .unexpected(at: at)
        }
        return digest
    }

    @inline(never)
    public mutating func bytes16(_ message: Span<UInt8>) throws(CBORError) -> Bytes16 {
        let at = offset
        guard let value = Bytes16(copying: message.extracting(try bytes(exactly: 16))) else {
            throw .unexpected(at: at)
        }
        return value
    }

    /// [sequence, hash]
    @inline(never)
    public mutating func head(_ message: Span<UInt8>) throws(CBORError) -> ChainHead {
        try array(exactly: 2)
        return ChainHead(sequence: try unsigned(), digest: try digest(message))
    }
}
