// SPDX-License-Identifier: Apache-2.0

/// The content of an object identifier in DER, and what those mean that say which key a registrar takes.
struct ObjectIdentifier: Equatable {
    typealias Aspect = EnrolmentError.Aspect

    static let ecPublicKey = ObjectIdentifier(known: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01])
    /// id-aa-certificationRequestInfoTemplate (RFC 9908).
    static let template = ObjectIdentifier(
        known: [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x3d])

    struct Known {
        let aspect: Aspect
        let bytes: [UInt8]
        var isOwn = false
        /// Stands for all that are below it.
        var isArc = false
        var name: StaticString = ""
    }

    /// The most bytes that go on below an arc: so its text has no number beyond 21 bits.
    private static let arcDepth = 3

    /// The first one that fits counts.
    private static let table = [
        Known(aspect: .key, bytes: ecPublicKey.bytes, isOwn: true),
        // P-256, ECDSA with SHA-256, SHA-256.
        Known(aspect: .curve, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], isOwn: true),
        Known(aspect: .signature, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02], isOwn: true),
        Known(aspect: .hash, bytes: [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], isOwn: true),
        Known(aspect: .key, bytes: [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01], isArc: true, name: "RSA"),
        Known(aspect: .key, bytes: [0x2b, 0x65, 0x70], name: "Ed25519"),
        Known(aspect: .key, bytes: [0x2b, 0x65, 0x71], name: "Ed448"),
        // X25519, X448.
        Known(aspect: .key, bytes: [0x2b, 0x65], isArc: true),
        Known(aspect: .key, bytes: [0x2a, 0x86, 0x48, 0xce, 0x38, 0x04], isArc: true, name: "DSA"),
        // NIST's signatures: ML-DSA, SLH-DSA, those with SHA-3.
        Known(aspect: .key, bytes: [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03], isArc: true),
        Known(aspect: .curve, bytes: [0x2b, 0x81, 0x04, 0x00, 0x22], name: "P-384"),
        Known(aspect: .curve, bytes: [0x2b, 0x81, 0x04, 0x00, 0x23], name: "P-521"),
        // ANSI X9.62, SECG, Brainpool.
        Known(aspect: .curve, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03], isArc: true),
        Known(aspect: .curve, bytes: [0x2b, 0x81, 0x04, 0x00], isArc: true),
        Known(aspect: .curve, bytes: [0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01], isArc: true),
        Known(aspect: .signature, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03], name: "ECDSA with SHA-384"),
        Known(aspect: .signature, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04], name: "ECDSA with SHA-512"),
        Known(aspect: .signature, bytes: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04], isArc: true),
        Known(aspect: .hash, bytes: [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], name: "SHA-384"),
        Known(aspect: .hash, bytes: [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], name: "SHA-512"),
        Known(aspect: .hash, bytes: [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02], isArc: true),
        Known(aspect: .hash, bytes: [0x2b, 0x0e, 0x03, 0x02, 0x1a], name: "SHA-1"),
    ]

    let bytes: [UInt8]

    private init(known bytes: [UInt8]) { self.bytes = bytes }

    /// An error unless it is the content of one (X.690 §8.19): each number in as few bytes as it needs.
    init(_ content: ArraySlice<UInt8>) throws(EnrolmentError) {
        bytes = [UInt8](content)
        var isFirst = true
        for byte in bytes {
            if isFirst, byte == 0x80 { throw .notAttributes }
            isFirst = byte < 0x80
        }
        if bytes.isEmpty || !isFirst { throw .notAttributes }
    }

    /// What it says of a key; nil if that is nothing.
    var known: Known? {
        Self.table.first { known in
            let more = bytes.count - known.bytes.count
            return (known.isArc ? (1...Self.arcDepth).contains(more) : more == 0) && bytes.starts(with: known.bytes)
        }
    }

    /// In decimal, as `1.3.132.0.34 (P-384)`. Of those that are known.
    func text(_ name: StaticString) -> [UInt8] {
        var text: [UInt8] = []
        var number: UInt32 = 0
        for byte in bytes {
            number = number << 7 | UInt32(byte & 0x7f)
            if byte >= 0x80 { continue }
            if text.isEmpty {
                // The first two share one (§8.19.4).
                let top = min(number / 40, 2)
                Self.add(top, to: &text)
                number -= 40 * top
            }
            text.append(UInt8(ascii: "."))
            Self.add(number, to: &text)
            number = 0
        }
        if name.utf8CodeUnitCount > 0 {
            append(" (", to: &text)
            append(name, to: &text)
            text.append(UInt8(ascii: ")"))
        }
        return text
    }

    private static func add(_ number: UInt32, to text: inout [UInt8]) {
        let start = text.count
        var rest = number
        repeat {
            text.insert(UInt8(ascii: "0") + UInt8(rest % 10), at: start)
            rest /= 10
        } while rest > 0
    }
}
