// SPDX-License-Identifier: Apache-2.0

import MartletAudit
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletState
import MartletTestKit

func digest(_ value: UInt8) -> Digest { Digest(InlineArray(repeating: value)) }

func bytes16(_ value: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: value)) }

func time(_ boot: UInt64 = 1000) -> AuditTime { AuditTime(run: 1, boot: boot, seconds: nil, clock: .untrusted) }

func key(_ value: UInt8) -> CommandKey { CommandKey(controller: KeyID(7), id: bytes16(value)) }

/// The lanes alarm and bulk were never used.
func run(_ run: UInt64, next: UInt64, gaps: [Gap] = []) -> RunState {
    RunState(
        run: run,
        lanes: [RunState.Lane(next: 1), RunState.Lane(least: next / 2, next: next, gaps: gaps), RunState.Lane(next: 2)])
}

/// A disk, and what a device's programs make of it one after the other.
final class Bench {
    let disk: SimulatedDisk
    let keys: TestSegmentKeys
    let hashing: any Hashing

    init(seed: UInt64 = 1) throws {
        disk = SimulatedDisk(seed: seed)
        keys = try TestSegmentKeys(seed: seed)
        hashing = try TestKey(seed: seed).hashing
    }

    func start() throws -> DeviceState {
        let journal = Journal(
            storage: disk, keys: keys, device: [UInt8]("device-1".utf8), stream: DeviceState.stream, segmentSize: 65_536
        )
        return try DeviceState(journal, hashing: hashing)
    }
}
