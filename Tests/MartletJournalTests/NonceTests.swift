// SPDX-License-Identifier: Apache-2.0

import MartletTestKit
import Testing

@testable import MartletJournal

@Suite struct NonceTests {
    /// Commits, power cuts, failures and images of earlier days, in turn.
    private func life(_ disk: SimulatedDisk, _ keys: any SegmentKeys) throws {
        let random = SeededEntropy(seed: 5)
        var images: [SimulatedDisk.Image] = []
        for day in 0..<60 {
            images.append(disk.image)
            if let owner = try? Owner(Journal(disk, keys), filling: 700) {
                if random.oneIn(3) { disk.cutAfter = disk.steps + Int(random.below(20)) }
                if random.oneIn(3) {
                    let number = disk.operations + 1 + Int(random.below(20))
                    disk.fault = SimulatedDisk.Fault(number, .failed(5), isSticky: random.oneIn(2))
                }
                for number in 0..<8 { try? owner.commit(day * 10 + number) }
            }
            disk.fault = nil
            disk.restart()
            if random.oneIn(3) { disk.restore(images[Int(random.below(UInt64(images.count)))]) }
        }
    }

    @Test("SPL-05 no key seals twice with one nonce, also after restored images, failures and power cuts")
    func life() throws {
        let keys = try TestSegmentKeys(seed: 1)
        try life(SimulatedDisk(seed: 1), keys)
        print("# SPL-05: \(keys.sealings.count) frames in \(Set(keys.sealings.map { $0.key }).count) segments")
        #expect(keys.reusedNonces == 0)
        #expect(keys.sealings.count > 200)
    }

    @Test func `a twin whose salt follows from what is on the disk is found out`() throws {
        let keys = try TestSegmentKeys(seed: 1)
        let disk = SimulatedDisk(seed: 1)
        try life(disk, SaltFromCounter(disk, keys))
        #expect(keys.reusedNonces > 0)
    }

    @Test func `a twin that writes on in a segment after a failure is found out`() throws {
        let keys = try TestSegmentKeys(seed: 1)
        let disk = SimulatedDisk(seed: 1)
        let writer = try SegmentWriter(
            SegmentName(stream: 1, number: 1), size: 4096, records: [], storage: disk, keys: keys, device: [])
        disk.fault = SimulatedDisk.Fault(disk.operations + 1, .failed(5), isSticky: false)
        #expect(throws: JournalError.self) { try writer.append([text("one")]) }
        try writer.append([text("two")])
        #expect(keys.reusedNonces > 0)
    }
}

/// Takes how many segments there are for a salt.
private final class SaltFromCounter: SegmentKeys {
    private let disk: SimulatedDisk
    private let keys: TestSegmentKeys

    init(_ disk: SimulatedDisk, _ keys: TestSegmentKeys) {
        self.disk = disk
        self.keys = keys
    }

    func salt() -> InlineArray<32, UInt8>? {
        InlineArray(repeating: UInt8(truncatingIfNeeded: disk.image.map { $0.name.number }.max() ?? 0))
    }

    func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? { keys.cipher(salt: salt, info: info) }
}
