// SPDX-License-Identifier: Apache-2.0

import CBench
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
        let usage = "usage: FormatBench encode|decode ROUNDS"
        let rounds = CBench_number(1, usage)
        guard let action = CBench_argument(0), let batch = makeBatch() else { CBench_fail(usage) }
        var pack = [UInt8](repeating: 0, count: ReadingBatch.packSize(batch.limits))
        let size = encode(batch, into: &pack)
        var checksum = 0.0
        switch UInt8(bitPattern: action[0]) {
        case UInt8(ascii: "e"):
            for _ in 0..<rounds { checksum += Double(encode(batch, into: &pack)) + Double(pack[size - 1]) }
        case UInt8(ascii: "d"):
            let input = pack.span.extracting(first: size)
            for _ in 0..<rounds {
                guard let sum = decode(input) else { CBench_fail("the pack is refused") }
                checksum += sum
            }
        default: CBench_fail(usage)
        }
        CBench_result("bytes", Double(size))
        CBench_result("checksum", checksum)
    }
}
