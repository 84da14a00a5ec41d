// SPDX-License-Identifier: Apache-2.0

import MartletCBOR
import Testing

@Suite struct CBORRandomTests {
    /// What the generator wrote, and the items it stands for; ranges are replaced by contents.
    enum Token: Equatable {
        case item(CBORItem)
        case bytes([UInt8])
        case text([UInt8])
    }

    @Test func `random items are read as they were written`() throws {
        var generator = SeededGenerator.announced("random items")
        for round in 0..<2000 {
            let (encoding, tokens) = randomItem(depth: 0, using: &generator)
            let read = try items(encoding).map { (item: CBORItem) -> Token in
                switch item {
                case .bytes(let range): .bytes(Array(encoding[range]))
                case .text(let range): .text(Array(encoding[range]))
                default: .item(item)
                }
            }
            #expect(read == tokens, "round \(round): \(hex(encoding))")
            #expect(refusalBySkip(encoding) == nil, "round \(round): \(hex(encoding))")
        }
    }

    @Test func `damaged random items are refused or deterministic`() throws {
        var generator = SeededGenerator.announced("damaged items")
        for round in 0..<2000 {
            var (encoding, _) = randomItem(depth: 0, using: &generator)
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let at = Int.random(in: 0..<encoding.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: encoding[at] = .random(in: 0...255, using: &generator)
                case 1: encoding[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: encoding.insert(.random(in: 0...255, using: &generator), at: at)
                default: encoding.removeSubrange(at..<min(encoding.count, at + 2)); encoding.append(0)
                }
            }
            #expect(refusal(encoding) == refusalBySkip(encoding), "round \(round): \(hex(encoding))")
            guard refusal(encoding) == nil else { continue }
            #expect(try encoded(items(encoding), source: encoding) == encoding, "round \(round): \(hex(encoding))")
        }
    }

    @Test func `every half is read as its value and written back`() throws {
        for pattern in UInt16.min ... .max {
            let input = [0xf9, UInt8(pattern >> 8), UInt8(pattern & 0xff)]
            let half = Float16(bitPattern: pattern)
            guard !half.isNaN || pattern == 0x7e00 else {
                #expect(refusal(input) == .notShortest(at: 0))
                continue
            }
            guard case .float(let value) = try items(input).first else {
                Issue.record("\(hex(input)) is not a float")
                continue
            }
            #expect(half.isNaN ? value.isNaN : value.bitPattern == Double(half).bitPattern, "\(hex(input))")
            #expect(try written { $0.double(value) } == input)
        }
    }

    @Test func `floats take the form that the hardware's conversions find exact`() throws {
        var generator = SeededGenerator.announced("floats")
        for _ in 0..<20_000 {
            var bits = generator.next()
            if Bool.random(using: &generator) {
                // An exponent in the range of halves and singles, and few significant digits.
                let exponent = UInt64.random(in: 1023 - 160...1023 + 140, using: &generator)
                let kept = UInt64.max << UInt64.random(in: 20...52, using: &generator)
                let fraction = bits & 0xf_ffff_ffff_ffff & kept
                bits = bits & 1 << 63 | exponent << 52 | fraction
            }
            let value = Double(bitPattern: bits)
            guard !value.isNaN else { continue }
            let width = Float16(exactly: value) != nil ? 3 : Float(exactly: value) != nil ? 5 : 9
            let encoding = try written { $0.double(value) }
            #expect(encoding.count == width, "\(value)")
            #expect(try items(encoding) == [.float(value)])
        }
    }

    private func randomItem(depth: Int, using generator: inout SeededGenerator) -> (encoding: [UInt8], tokens: [Token])
    {
        var buffer = [UInt8](repeating: 0, count: 64)
        var writer = CBORWriter(buffer.mutableSpan)
        var children: (encoding: [UInt8], tokens: [Token]) = ([], [])
        let token: Token
        let number = generator.next() >> UInt64.random(in: 0..<64, using: &generator)
        switch Int.random(in: 0..<(depth < 6 ? 13 : 9), using: &generator) {
        case 0:
            writer.unsigned(number)
            token = .item(.unsigned(number))
        case 1:
            writer.negative(number)
            token = .item(.negative(number))
        case 2:
            let value = Int64(bitPattern: number)
            writer.integer(value)
            token = .item(value < 0 ? .negative(UInt64(-1 - value)) : .unsigned(number))
        case 3:
            let content = (0..<UInt8.random(in: 0..<40, using: &generator)).map { $0 &* 7 }
            writer.bytes(content.span)
            token = .bytes(content)
        case 4, 5:
            let scalars = (0..<Int.random(in: 0..<10, using: &generator)).compactMap { _ -> UnicodeScalar? in
                let width = UInt32.random(in: 0..<16, using: &generator)
                return UnicodeScalar(UInt32.random(in: 0...0x10ffff, using: &generator) >> width)
            }
            let content = scalars.flatMap { Array($0.utf8) }
            writer.text(content.span)
            token = .text(content)
        case 6:
            let value = Bool.random(using: &generator)
            writer.bool(value)
            token = .item(.bool(value))
        case 7:
            writer.null()
            token = .item(.null)
        case 8:
            let value = Double(bitPattern: generator.next())
            writer.double(value.isNaN ? 0.5 : value)
            token = .item(.float(value.isNaN ? 0.5 : value))
        case 9, 10:
            let count = Int.random(in: 0..<5, using: &generator)
            for _ in 0..<count {
                let child = randomItem(depth: depth + 1, using: &generator)
                children.encoding += child.encoding
                children.tokens += child.tokens
            }
            writer.array(count)
            token = .item(.array(count))
        case 11:
            var pairs: [(encoding: [UInt8], tokens: [Token])] = []
            for _ in 0..<Int.random(in: 0..<5, using: &generator) {
                let key = randomItem(depth: depth + 1, using: &generator)
                if !pairs.contains(where: { $0.encoding == key.encoding }) { pairs.append(key) }
            }
            pairs.sort { $0.encoding.lexicographicallyPrecedes($1.encoding) }
            for key in pairs {
                let value = randomItem(depth: depth + 1, using: &generator)
                children.encoding += key.encoding + value.encoding
                children.tokens += key.tokens + value.tokens
            }
            writer.map(pairs.count)
            token = .item(.map(pairs.count))
        default:
            children = randomItem(depth: depth + 1, using: &generator)
            writer.tag(number)
            token = .item(.tag(number))
        }
        let count = writer.count
        _ = consume writer
        return (Array(buffer[..<count]) + children.encoding, [token] + children.tokens)
    }
}
