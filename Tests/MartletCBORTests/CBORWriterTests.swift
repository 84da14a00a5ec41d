// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import Testing

@Suite struct CBORWriterTests {
    static let integers: [(value: Int64, hex: String)] = [
        (0, "00"), (23, "17"), (24, "1818"), (255, "18ff"), (256, "190100"), (65535, "19ffff"), (65536, "1a00010000"),
        (4_294_967_295, "1affffffff"), (4_294_967_296, "1b0000000100000000"), (.max, "1b7fffffffffffffff"),
        (-1, "20"), (-24, "37"), (-25, "3818"), (-256, "38ff"), (-257, "390100"), (.min, "3b7fffffffffffffff"),
    ]

    static let doubles: [(value: Double, hex: String)] = [
        (0, "f90000"), (-0.0, "f98000"), (5, "f94500"), (65504, "f97bff"), (65505, "fa477fe100"), (65520, "fa477ff000"),
        (0x1p-24, "f90001"), (0x1p-25, "fa33000000"), (0x1.8p-24, "fa33c00000"), (0x1.ff8p-15, "f903ff"),
        (0x1p-14, "f90400"), (0x1.002p-14, "fa38801000"), (0x1p-149, "fa00000001"), (0x1p-150, "fb3690000000000000"),
        (0.1, "fb3fb999999999999a"), (.greatestFiniteMagnitude, "fb7fefffffffffffff"),
        (.leastNonzeroMagnitude, "fb0000000000000001"), (.infinity, "f97c00"), (-.infinity, "f9fc00"), (.nan, "f97e00"),
        (-.nan, "f97e00"), (.signalingNaN, "f97e00"), (Double(nan: 7, signaling: false), "f97e00"),
    ]

    @Test func `integers take their shortest form`() throws {
        for (value, hex) in Self.integers {
            #expect(try written { $0.integer(value) } == bytes(hex: hex), "\(value)")
        }
    }

    @Test func `doubles take the shortest form that keeps the value`() throws {
        for (value, hex) in Self.doubles {
            #expect(try written { $0.double(value) } == bytes(hex: hex), "\(value)")
        }
    }

    @Test func `strings and containers begin with their shortest head`() throws {
        let long = [UInt8](repeating: 0x61, count: 300)
        #expect(try written { $0.bytes(long.span) } == bytes(hex: "59012c") + long)
        #expect(try written { $0.text(long.span) } == bytes(hex: "79012c") + long)
        #expect(try written { $0.text("volt") } == bytes(hex: "64766f6c74"))
        #expect(try written { $0.text("") } == [0x60])
        #expect(
            try written {
                $0.bytes(count: 2); $0.raw([1, 2].span)
            } == [0x42, 1, 2])
        #expect(try written { $0.array(24) } == [0x98, 24])
        #expect(try written { $0.map(65536) } == bytes(hex: "ba00010000"))
        #expect(try written { $0.tag(18) } == [0xd2])
        #expect(try written { $0.negative(.max) } == bytes(hex: "3bffffffffffffffff"))
    }

    @Test func `a buffer too small is reported at the end and never overrun`() throws {
        let whole = try written(Self.sample)
        for capacity in 0..<whole.count {
            #expect(throws: CBORError.noSpace) { try written(capacity: capacity, Self.sample) }
        }
        #expect(try written(capacity: whole.count, Self.sample) == whole)
    }

    @Test func `after a write that did not fit nothing is written`() {
        var buffer = [UInt8](repeating: 0xee, count: 4)
        var writer = CBORWriter(buffer.mutableSpan)
        writer.unsigned(1)
        writer.unsigned(.max)
        writer.unsigned(2)
        let count = writer.count
        #expect(count == 1)
        _ = consume writer
        #expect(buffer == [1, 0xee, 0xee, 0xee])
    }

    private static func sample(_ writer: inout CBORWriter) {
        writer.tag(18)
        writer.array(5)
        writer.bytes([1, 2, 3].span)
        writer.map(2)
        writer.integer(-70000)
        writer.text("text")
        writer.text("u")
        writer.double(0.1)
        writer.bool(true)
        writer.null()
        writer.unsigned(300)
    }
}
