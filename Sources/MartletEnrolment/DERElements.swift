// SPDX-License-Identifier: Apache-2.0

/// The elements of DER (X.690 §10) that stand one behind the other in a part of some bytes; those inside are looked into
/// only if somebody makes another one of their content.
struct DERElements {
    enum Tag {
        static let integer: UInt8 = 0x02
        static let objectIdentifier: UInt8 = 0x06
        static let sequence: UInt8 = 0x30
        static let set: UInt8 = 0x31
        /// `[0]`, of a type that is constructed.
        static let first: UInt8 = 0xa0
    }

    let bytes: [UInt8]
    private var at: Int
    private let limit: Int

    init(_ bytes: [UInt8]) { self.init(bytes, bytes.indices) }

    init(_ bytes: [UInt8], _ part: Range<Int>) {
        self.bytes = bytes
        at = part.lowerBound
        limit = part.upperBound
    }

    /// The next one; nil at the end. An error unless it is whole, with one byte of tag, and its length in its shortest
    /// form, below 65,536.
    mutating func next() throws(EnrolmentError) -> (tag: UInt8, content: Range<Int>)? {
        if at == limit { return nil }
        let tag = bytes[at]
        guard limit - at >= 2, tag & 0x1f != 0x1f else { throw .notAttributes }
        var length = Int(bytes[at + 1])
        var start = at + 2
        if length >= 0x80 {
            let count = length - 0x80
            guard (1...2).contains(count), limit - start >= count else { throw .notAttributes }
            length = bytes[start..<(start + count)].reduce(0) { $0 << 8 | Int($1) }
            guard length >= (count == 1 ? 0x80 : 0x100) else { throw .notAttributes }
            start += count
        }
        guard limit - start >= length else { throw .notAttributes }
        at = start + length
        return (tag, start..<at)
    }

    /// The content of the next one, which must have this tag.
    mutating func next(_ tag: UInt8) throws(EnrolmentError) -> Range<Int> {
        guard let element = try next(), element.tag == tag else { throw .notAttributes }
        return element.content
    }

    /// An error unless there are no more.
    func end() throws(EnrolmentError) { if at < limit { throw .notAttributes } }
}
