// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Reads the blocks of a PEM text (RFC 7468) one after the other.
struct PEMReader {
    struct Block {
        var label: [UInt8]
        /// Legacy headers, which say how the content is encrypted (RFC 1421).
        var hasHeaders: Bool
        var content: [UInt8]

        func isLabelled(_ name: StaticString) -> Bool {
            label.elementsEqual(UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        }
    }

    /// More than sixteen large certificates need.
    static let maximumCount = 256 * 1024

    private let input: Handle

    /// Reads from `text`, which must outlive the reader.
    init(_ text: UnsafeBufferPointer<UInt8>) throws(OpenSSLError) {
        guard text.count <= PEMReader.maximumCount else { throw .tooLarge }
        guard let start = text.baseAddress else { throw .malformed }
        input = try Handle(BIO_new_mem_buf(start, Int32(text.count)), { BIO_vfree($0) })
    }

    /// The next block, or nil if only text without a block follows.
    func next() throws(OpenSSLError) -> Block? {
        let before = rest
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var content: UnsafeMutablePointer<UInt8>?
        var count = 0
        // Secure: OpenSSL wipes its own copies, because the content may be a private key.
        let flags = UInt32(PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE)
        guard PEM_read_bio_ex(input.pointer, &name, &header, &content, &count, flags) == 1,
            let name, let header, let content
        else {
            ERR_clear_error()
            guard !PEMReader.hasBoundary(before) else { throw .malformed }
            return nil
        }
        defer {
            COpenSSL_secure_clear_free(name, 0)
            COpenSSL_secure_clear_free(header, 0)
            COpenSSL_secure_clear_free(content, count)
        }
        var label: [UInt8] = []
        var at = 0
        while name[at] != 0 {
            label.append(UInt8(bitPattern: name[at]))
            at += 1
        }
        return Block(
            label: label, hasHeaders: header.pointee != 0,
            content: [UInt8](UnsafeBufferPointer(start: content, count: count)))
    }

    /// The one block of a text that has nothing else but white space.
    static func only(in text: UnsafeBufferPointer<UInt8>) throws(OpenSSLError) -> Block {
        let reader = try PEMReader(text)
        guard startsWithBoundary(text), let block = try reader.next(), isBlank(reader.rest) else { throw .malformed }
        return block
    }

    /// Whether the first byte that is not white space can begin a block.
    static func startsWithBoundary(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        text.first { !isBlank($0) } == UInt8(ascii: "-")
    }

    static func isBlank(_ text: UnsafeBufferPointer<UInt8>) -> Bool { text.allSatisfy { isBlank($0) } }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// What has not been read yet.
    var rest: UnsafeBufferPointer<UInt8> {
        var start: UnsafeMutablePointer<CChar>?
        let count = COpenSSL_get_mem_data(input.pointer, &start)
        return UnsafeBufferPointer(start: UnsafeRawPointer(start)?.assumingMemoryBound(to: UInt8.self), count: count)
    }

    /// Whether five dashes, which begin every boundary, are left: then a block is cut off or damaged.
    private static func hasBoundary(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var dashes = 0
        for byte in text {
            dashes = byte == UInt8(ascii: "-") ? dashes + 1 : 0
            if dashes == 5 { return true }
        }
        return false
    }
}

/// What `write` writes into a memory BIO. OpenSSL wipes the BIO's own buffer.
func written(_ write: (OpaquePointer) -> Int32) throws(OpenSSLError) -> [UInt8] {
    let output = try Handle(BIO_new(BIO_s_mem()), { BIO_vfree($0) })
    try check(write(output.pointer))
    var start: UnsafeMutablePointer<CChar>?
    let count = COpenSSL_get_mem_data(output.pointer, &start)
    guard let start, count > 0 else { throw .failed }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: count))
}
