// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import MartletTestKit

/// RFC 8949.
enum CBORChecks {
    static var all: [Check] {
        [
            Check("CBOR: appendix A is read and written back, or refused for its reason", appendixA),
            Check("CBOR: every prefix of appendix A is refused", prefixes),
            Check("CBOR: integers and tags around 2^31, 2^32, 2^63 and 2^64", integers),
            Check("CBOR: floats have their shortest form", floats),
            Check("CBOR: floats in a longer form are refused", longFloats),
            Check("CBOR: 20,000 random doubles come back bit by bit", randomDoubles),
        ]
    }

    private static func appendixA() throws(Failure) {
        try require(CBORVector.all.count == 82, "vectors")
        for vector in CBORVector.all {
            let input = bytes(hex: vector.bytes)
            // The file follows RFC 7049 here; RFC 8949 section 3.3 forbids a simple value below 32 in two bytes.
            let isAccepted = vector.isDeterministic && input != [0xf8, 0x18]
            switch transcribed(input) {
            case .success(let copy):
                try require(isAccepted, "was accepted:", name: vector.bytes)
                try require(copy == input, "was not written back:", name: vector.bytes)
            case .failure(let error):
                try require(!isAccepted && isReason(error, input[0]), "was refused:", name: vector.bytes)
            }
        }
    }

    private static func isReason(_ error: CBORError, _ first: UInt8) -> Bool {
        switch error {
        case .reserved: first == 0xf8
        case .notShortest: first == 0xfa || first == 0xfb
        case .indefiniteLength: first != 0xf8 && first != 0xfa && first != 0xfb
        default: false
        }
    }

    private static func prefixes() throws(Failure) {
        for vector in CBORVector.all {
            let input = bytes(hex: vector.bytes)
            for length in input.indices {
                // Nothing is a sequence of no items.
                guard length > 0, case .success = transcribed([UInt8](input[..<length])) else { continue }
                throw Failure(why: "was accepted:", name: vector.bytes)
            }
        }
    }

    private static func integers() throws(Failure) {
        for value in edges {
            let number = Int64(bitPattern: value)
            let output = try written { writer in
                writer.unsigned(value)
                writer.negative(value)
                writer.integer(number)
                writer.tag(value)
                writer.null()
            }
            var reader = CBORReader(output.span)
            try require((try? reader.next()) == .unsigned(value), "unsigned", number: number)
            try require((try? reader.next()) == .negative(value), "negative", number: number)
            try require((try? reader.integer()) == number, "integer", number: number)
            try require((try? reader.tag()) == value, "tag", number: number)
            try require((try? reader.null()) != nil && (try? reader.finish()) != nil, "end", number: number)
            reader = CBORReader(output.span)
            try require((try? reader.integer()) == Int64(exactly: value), "more than an Int64", number: number)
        }
    }

    /// Encodings and the bits of the Double that they are.
    private static let shortest: [(hex: StaticString, bits: UInt64)] = [
        ("f90000", 0), ("f98000", 1 << 63), ("f90001", 0x3e70_0000_0000_0000), ("fa33000000", 0x3e60_0000_0000_0000),
        ("f90200", 0x3f00_0000_0000_0000), ("f903ff", 0x3f0f_f800_0000_0000), ("f90400", 0x3f10_0000_0000_0000),
        ("f93c00", 0x3ff0_0000_0000_0000), ("f96800", 0x40a0_0000_0000_0000), ("fa45001000", 0x40a0_0200_0000_0000),
        ("f97bff", 0x40ef_fc00_0000_0000), ("fa477fef00", 0x40ef_fde0_0000_0000), ("fa477ff000", 0x40ef_fe00_0000_0000),
        ("fa47800000", 0x40f0_0000_0000_0000), ("fa4f000000", 0x41e0_0000_0000_0000),
        ("fa4f800000", 0x41f0_0000_0000_0000), ("fa5a000000", 0x4340_0000_0000_0000),
        ("fa5f000000", 0x43e0_0000_0000_0000), ("fa5f800000", 0x43f0_0000_0000_0000),
        ("fa00000001", 0x36a0_0000_0000_0000), ("fa00400000", 0x3800_0000_0000_0000),
        ("fa00800000", 0x3810_0000_0000_0000), ("fa7f7fffff", 0x47ef_ffff_e000_0000),
        ("fb3690000000000000", 0x3690_0000_0000_0000), ("fb47f0000000000000", 0x47f0_0000_0000_0000),
        ("fb0000000000000001", 1), ("fb0010000000000000", 0x0010_0000_0000_0000),
        ("fb3fb999999999999a", 0x3fb9_9999_9999_999a), ("fb3fd5555555555555", 0x3fd5_5555_5555_5555),
        ("fb7e37e43c8800759c", 0x7e37_e43c_8800_759c), ("fb7fefffffffffffff", 0x7fef_ffff_ffff_ffff),
        ("f97c00", 0x7ff0_0000_0000_0000), ("f9fc00", 0xfff0_0000_0000_0000),
    ]

    private static func floats() throws(Failure) {
        for (hex, bits) in shortest {
            let expected = bytes(hex: hex)
            let output = try written { $0.double(Double(bitPattern: bits)) }
            try require(output == expected, "written:", name: hex)
            var reader = CBORReader(expected.span)
            guard case .float(let value)? = try? reader.next() else { throw Failure(why: "not read:", name: hex) }
            try require(value.bitPattern == bits, "read:", name: hex)
        }
        for bits in [0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 0xffff_ffff_ffff_ffff] as [UInt64] {
            let output = try written { $0.double(Double(bitPattern: bits)) }
            try require(output == [0xf9, 0x7e, 0x00], "NaN", number: Int64(bitPattern: bits))
        }
    }

    private static let tooLong: [StaticString] = [
        "f97e01", "f97c01", "f9fe00", "f9ffff", "fa00000000", "fa80000000", "fa33800000", "fa3f800000", "fa477fe000",
        "fa7f800000", "fa7f800001", "fa7fc00000", "faffffffff", "fb0000000000000000", "fb8000000000000000",
        "fb36a0000000000000", "fb3e70000000000000", "fb47efffffe0000000", "fb7ff0000000000000", "fb7ff0000000000001",
        "fbffffffffffffffff",
    ]

    private static func longFloats() throws(Failure) {
        for hex in tooLong {
            let input = bytes(hex: hex)
            guard case .failure(.notShortest(at: 0)) = transcribed(input) else {
                throw Failure(why: "was not refused:", name: hex)
            }
        }
    }

    private static func randomDoubles() throws(Failure) {
        let random = SeededEntropy(seed: seed)
        for _ in 0..<20_000 {
            let bits: UInt64 = random.next()
            // Half of them are singles or halves.
            let value = random.oneIn(2) ? Double(bitPattern: bits) : Double(Float(bitPattern: UInt32(bits >> 32)))
            let output = try written { $0.double(value) }
            var reader = CBORReader(output.span)
            guard case .float(let copy)? = try? reader.next() else {
                throw Failure(why: "not read", number: Int64(bitPattern: bits))
            }
            try require(
                value.isNaN ? copy.isNaN : copy.bitPattern == value.bitPattern, "bits",
                number: Int64(bitPattern: bits))
        }
    }

    /// Reads items and writes each again.
    static func transcribed(_ input: [UInt8]) -> Result<[UInt8], CBORError> {
        Result { () throws(CBORError) in try transcribe(input) }
    }

    private static func transcribe(_ input: [UInt8]) throws(CBORError) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: input.count)
        var reader = CBORReader(input.span)
        var writer = CBORWriter(output.mutableSpan)
        while reader.offset < input.count {
            switch try reader.next() {
            case .unsigned(let value): writer.unsigned(value)
            case .negative(let value): writer.negative(value)
            case .bytes(let range): writer.bytes(input.span.extracting(range))
            case .text(let range): writer.text(input.span.extracting(range))
            case .array(let count): writer.array(count)
            case .map(let count): writer.map(count)
            case .tag(let number): writer.tag(number)
            case .bool(let value): writer.bool(value)
            case .null: writer.null()
            case .undefined: writer.raw([0xf7].span)
            case .simple(let value): writer.raw((value < 24 ? [0xe0 | value] : [0xf8, value]).span)
            case .float(let value): writer.double(value)
            }
        }
        try reader.finish()
        let count = try writer.finish()
        output.removeLast(output.count - count)
        return output
    }
}

/// What `body` writes.
func written(_ body: (inout CBORWriter) -> Void) throws(Failure) -> [UInt8] {
    var buffer = [UInt8](repeating: 0xee, count: 1024)
    var writer = CBORWriter(buffer.mutableSpan)
    body(&writer)
    let count = try require(try? writer.finish(), "no room to write")
    buffer.removeLast(buffer.count - count)
    return buffer
}
