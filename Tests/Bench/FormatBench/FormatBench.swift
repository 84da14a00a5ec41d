// SPDX-License-Identifier: Apache-2.0

import CArguments
import MartletSenML
import MartletTelemetry

// What a SenML pack of five readings costs: FormatBench encode|decode ROUNDS, built by `Boards/build host FormatBench`.
// Run a copy without debug information (llvm-objcopy --strip-debug) under valgrind --tool=callgrind for two numbers of
// rounds: the difference of the instructions, divided by that of the rounds, is the cost of one round.
//
//     encode  `ReadingBatch.encode` of a batch that is there, into a buffer that is there, with a trusted clock
//     decode  the strict reading of the same pack to its end, as a receiver does it: every rule of deterministic
//             CBOR, of names, units and numbers, and the resolved values of each record; names are not copied
//
// A round also counts the loop around it, about 50 instructions. The checksum depends on every round.

/// Readings as the sensor agent makes them.
private let readings: InlineArray<5, (name: StaticString, unit: StaticString, value: Double)> = [
    ("cpu-temperature", "Cel", 51.2),
    ("load/1min", "count", 0.42),
    ("memory/available", "B", 3_221_225_472),
    ("network/eth0/received", "B", 123_456_789),
    ("cpu/use", "/", 0.0625),
]

/// The readings, taken one after the other within a few milliseconds.
private func makeBatch() -> ReadingBatch? {
    var batch = ReadingBatch(limits: ReadingBatch.Limits())
    for index in readings.indices {
        let reading = readings[index]
        let name = Span(_unsafeStart: reading.name.utf8Start, count: reading.name.utf8CodeUnitCount)
        let unit = Span(_unsafeStart: reading.unit.utf8Start, count: reading.unit.utf8CodeUnitCount)
        do throws(ReadingError) {
            try batch.append(name: name, unit: unit, value: .number(reading.value), time: 86_400_017 + UInt64(index))
        } catch {
            return nil
        }
    }
    return batch
}

/// Writes the batch into `pack`; gives the number of bytes, 0 if it failed.
@inline(never)
private func encode(_ batch: borrowing ReadingBatch, into pack: inout [UInt8]) -> Int {
    batch.encode(into: &pack, now: 86_405_017, wallClock: 1_763_683_200_000)
}

/// Reads the pack to its end; gives a sum over what it says, nil if it is refused.
@inline(never)
private func decode(_ pack: Span<UInt8>) -> Double? {
    var sum = 0.0
    var reader = SenMLReader(pack)
    do throws(SenMLError) {
        while try reader.next() {
            guard case .number(let number)? = reader.record.value else { return nil }
            sum += number + reader.record.time.seconds
        }
        return sum
    } catch {
        return nil
    }
}

@main struct FormatBench {
    static func main() {
        guard CArguments_count() == 3, let rounds = number(CArguments_argument(2)), let batch = makeBatch() else {
            return print("usage: FormatBench encode|decode ROUNDS")
        }
        var pack = [UInt8](repeating: 0, count: ReadingBatch.packSize(batch.limits))
        let size = encode(batch, into: &pack)
        var checksum = 0.0
        if UInt8(bitPattern: CArguments_argument(1)[0]) == UInt8(ascii: "e") {
            for _ in 0..<rounds { checksum += Double(encode(batch, into: &pack)) + Double(pack[size - 1]) }
        } else {
            let input = pack.span.extracting(first: size)
            for _ in 0..<rounds {
                guard let sum = decode(input) else { return print("the pack is refused") }
                checksum += sum
            }
        }
        print("bytes", terminator: " ")
        print(size, terminator: " checksum ")
        print(checksum)
    }

    /// Decimal digits up to the terminating zero.
    private static func number(_ text: UnsafePointer<CChar>) -> Int? {
        var value = 0
        var index = 0
        while text[index] != 0 {
            let digit = Int(text[index]) - 0x30
            guard (0...9).contains(digit), value < 10_000_000 else { return nil }
            value = value * 10 + digit
            index += 1
        }
        return index > 0 ? value : nil
    }
}
