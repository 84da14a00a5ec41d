// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing
import TestSupport

@Suite struct MessageTests {
    @Test func `nothing is believed before a birth`() throws {
        let bench = try Bench(knowing: false)
        #expect(bench.refusal(try bench.device.telemetry(1, after: nil).message, as: .telemetry) == .unknownKey)
    }

    @Test func `telemetry, gaps, events and receipts are decoded`() throws {
        let bench = try Bench()
        let device = bench.device
        let first = try device.telemetry(1, after: nil)
        let message = try bench.take(first.message, as: .telemetry)
        #expect(message.verdict == .first)
        #expect(message.readings.map(\.name) == [Array("level".utf8)])
        #expect(message.readings.first?.value == .number(20.5))
        #expect(message.digest == first.head.digest)

        let gap = Gap(first: 2, last: 3, readings: 4, reason: .quota, digest: digest(3))
        #expect(try bench.take(device.gap(gap), as: .gap).content.gap == gap)
        let fourth = try device.telemetry(4, after: ChainHead(sequence: 3, digest: digest(3)))
        #expect(try bench.take(fourth.message, as: .telemetry).verdict == .explained(uncovered: 0))

        let event = try device.event(.stateLost, device.claims(.event))
        #expect(try bench.take(event, as: .event).content.event == Event(kind: .stateLost))
        let receipt = Receipt(
            command: bytes16(1), controller: KeyID(2), outcome: .stale, digest: digest(4), challenge: bytes16(5))
        let signed = try device.seal(device.claims(.receipt), receipt.encoded()).message
        #expect(try bench.take(signed, as: .receipt).content.receipt == receipt)
    }

    @Test func `a gap record puts right what waited, with the message that brings it`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.telemetry(1, after: nil).message, as: .telemetry)
        let third = try bench.device.telemetry(3, after: ChainHead(sequence: 2, digest: digest(2)))
        #expect(try bench.take(third.message, as: .telemetry).verdict == .waiting)
        let gap = Gap(first: 2, last: 2, readings: 1, reason: .age, digest: digest(2))
        let changes = try bench.take(bench.device.gap(gap), as: .gap).changes
        #expect(changes.map(\.sequence) == [3] && changes.map(\.verdict) == [.explained(uncovered: 0)])
    }

    @Test func `a message of one purpose cannot pass for another`() throws {
        let bench = try Bench()
        let device = bench.device
        let messages: [(Purpose, [UInt8])] = [
            (.birth, try device.birth()), (.telemetry, try device.telemetry(1, after: nil).message),
            (.gap, try device.gap(Gap(first: 1, last: 1, readings: 1, reason: .age, digest: nil))),
            (.event, try device.event(.stateLost, device.claims(.event))),
        ]
        for (purpose, message) in messages {
            for other in Purpose.allCases where other != purpose {
                let refusal = bench.refusal(message, as: other)
                #expect(refusal == .envelope(.wrongPurpose) || refusal == .noCertificate, "\(purpose) as \(other)")
            }
        }
    }

    @Test func `a controller's purpose signed by a device is refused`() throws {
        let bench = try Bench()
        for purpose in [Purpose.command, .resume, .trust, .approval, .desired] {
            let message = try bench.device.seal(bench.device.claims(purpose), [0xa0]).message
            #expect(bench.refusal(message, as: purpose) == .wrongPurpose(purpose))
        }
    }

    @Test func `a message on another device's topic is refused`() throws {
        let bench = try Bench()
        let identity = try bench.authority.device("pump-8", mac: "0024befffe804ff2")
        let other = try TestDevice(
            "pump-8", certificate: identity.certificate, key: identity.key, urn: "urn:dev:mac:0024befffe804ff2")
        _ = try bench.take(other.birth(), as: .birth, from: other.id)
        let message = try other.telemetry(1, after: nil).message
        #expect(bench.refusal(message, as: .telemetry) == .wrongIssuer)
        #expect(bench.refusal(message, as: .telemetry, from: other.id) == nil)
    }

    @Test func `a device with another's URN has not its key`() throws {
        let bench = try Bench()
        let twin = try TestDevice(bench.authority)
        #expect(bench.refusal(try twin.telemetry(1, after: nil).message, as: .telemetry) == .unknownKey)
    }

    @Test func `a key stays good for what it signed after the next one came`() throws {
        let bench = try Bench()
        let successor = try TestDevice(bench.authority)
        _ = try bench.take(successor.birth(run: 2), as: .birth)
        let old = try bench.device.telemetry(1, after: nil)
        #expect(try bench.take(old.message, as: .telemetry).verdict == .first)
        #expect(try bench.take(successor.telemetry(2, after: old.head).message, as: .telemetry).verdict == .linked)
    }

    @Test(arguments: ["", "-x", "a/b", "+", "#", "é", String(repeating: "x", count: 65)])
    func `a device id that is none is refused`(id: String) throws {
        let bench = try Bench()
        #expect(bench.refusal(try bench.device.birth(), as: .birth, from: Array(id.utf8)) == .badDeviceID)
    }

    @Test func `claims that a lane needs must be there`() throws {
        let bench = try Bench()
        let device = bench.device
        func sealed(_ edit: (inout Claims) -> Void) throws -> [UInt8] {
            var claims = device.claims(.telemetry)
            claims.lane = .normal
            claims.sequence = 5
            edit(&claims)
            return try device.seal(claims, pack(), contentType: ContentFormat.senML).message
        }
        #expect(bench.refusal(try sealed { $0.lane = nil }, as: .telemetry) == .badClaims)
        #expect(bench.refusal(try sealed { $0.sequence = nil }, as: .telemetry) == .badClaims)
        for sequence in [5, 6, UInt64.max] {
            let previous = ChainHead(sequence: sequence, digest: digest(1))
            #expect(bench.refusal(try sealed { $0.previous = previous }, as: .telemetry) == .badClaims)
        }
        let wrongType = try device.seal(device.claims(.event), pack(), contentType: ContentFormat.senML).message
        #expect(bench.refusal(wrongType, as: .event) == .badClaims)
    }

    @Test func `payloads that are none are refused and change nothing`() throws {
        let bench = try Bench()
        let device = bench.device
        let first = try device.telemetry(1, after: nil)
        _ = try bench.take(first.message, as: .telemetry)
        for payload in [[], [0x80], [0xff], pack() + [0], Array(pack().dropLast())] as [[UInt8]] {
            let message = try device.telemetry(2, after: first.head, payload).message
            guard case .readings = bench.refusal(message, as: .telemetry) else {
                Issue.record("\(payload) was taken")
                continue
            }
        }
        #expect(bench.verifier.heads(of: device.id)[.normal] == first.head)
        for payload in [[], [0xa0], [0xa2, 0, 1, 1, 0x80, 0]] as [[UInt8]] {
            let message = try device.seal(device.claims(.event), payload).message
            guard case .message = bench.refusal(message, as: .event) else {
                Issue.record("\(payload) was taken")
                continue
            }
        }
    }

    @Test func `every prefix, a trailing byte and every bit flip of an envelope are refused`() throws {
        let bench = try Bench()
        let message = try bench.device.telemetry(1, after: nil).message
        for count in 0..<message.count {
            #expect(bench.refusal(Array(message.prefix(count)), as: .telemetry) != nil, "\(count) bytes")
        }
        #expect(bench.refusal(message + [0], as: .telemetry) != nil)
        for bit in 0..<message.count * 8 {
            var flipped = message
            flipped[bit / 8] ^= 0x80 >> UInt8(bit % 8)
            #expect(bench.refusal(flipped, as: .telemetry) != nil, "bit \(bit)")
        }
        #expect(bench.refusal(message, as: .telemetry) == nil)
    }

    @Test func `every prefix of a kept memory, and a trailing byte, are refused`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.telemetry(1, after: nil).message, as: .telemetry)
        let bytes = try #require(bench.verifier.memory(of: bench.device.id)).encoded()
        #expect(bytes.count <= DeviceMemory.maximumSize)
        for count in bytes.indices {
            let prefix = Array(bytes.prefix(count))
            #expect(throws: DeviceMemoryError.damaged) { try DeviceMemory(decoding: prefix.span) }
        }
        let longer = bytes + [0]
        #expect(throws: DeviceMemoryError.damaged) { try DeviceMemory(decoding: longer.span) }
        var heads = LaneHeads()
        for lane in Lane.allCases { heads[lane] = ChainHead(sequence: .max, digest: digest(255)) }
        let largest = DeviceMemory(
            issuer: Array(("urn:" + String(repeating: "x", count: 124)).utf8), run: .max, connection: .max,
            heads: heads, journalFirst: heads[.normal], journal: heads[.normal], journalSeen: heads[.bulk],
            journalHole: .max ... .max)
        let encoded = largest.encoded()
        #expect(try DeviceMemory(decoding: encoded.span) == largest)
        // A hole that ends before it begins: its last byte is that of its end.
        var reversed = encoded
        reversed[reversed.count - 1] -= 1
        #expect(throws: DeviceMemoryError.damaged) { try DeviceMemory(decoding: reversed.span) }
        // The second byte is the version.
        var later = encoded
        later[1] += 1
        #expect(throws: DeviceMemoryError.otherVersion) { try DeviceMemory(decoding: later.span) }
    }
}

extension DeviceMessage.Content {
    var gap: Gap? { if case .gap(let gap) = self { gap } else { nil } }
    var event: Event? { if case .event(let event) = self { event } else { nil } }
    var receipt: Receipt? { if case .receipt(let receipt) = self { receipt } else { nil } }
}
