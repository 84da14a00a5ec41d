// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope

/// What became of an envelope that was given up.
public struct DroppedEnvelope: Equatable, Sendable {
    public let sequence: UInt64
    public let digest: Digest
    public let readings: Int

    public init(sequence: UInt64, digest: Digest, readings: Int) {
        self.sequence = sequence
        self.digest = digest
        self.readings = readings
    }
}

/// Signed envelopes of one lane, in order, from signing until the back end has them. Their bytes never change: they
/// are sent again exactly as they are.
///
/// Not safe for concurrent use. One implementation keeps them in memory; one on flash follows the same contract.
public protocol EnvelopeQueue: AnyObject {
    /// Whether what was appended survives a power cut.
    var isDurable: Bool { get }
    /// Envelopes.
    var count: Int { get }
    /// Envelopes that no link has.
    var unsentCount: Int { get }

    /// Whether another `size` bytes fit.
    func hasRoom(for size: Int) -> Bool
    /// Appends what `write` puts into an empty buffer. If it throws, nothing was appended.
    func append(
        sequence: UInt64, readings: Int, _ write: (inout [UInt8]) throws(EnvelopeError) -> Digest
    ) throws(EnvelopeError)
    /// Shows the oldest unsent envelope to `send`, which says whether a link took it. False if there is none or it
    /// was not taken.
    func sendNext(_ send: (_ sequence: UInt64, _ envelope: Span<UInt8>) -> Bool) -> Bool
    /// The back end has it.
    func release(_ sequence: UInt64)
    /// The link gave it back: it is unsent again.
    func restore(_ sequence: UInt64)
    /// Gives up one envelope.
    func drop(_ sequence: UInt64) -> DroppedEnvelope?
    /// Gives up the oldest unsent envelope.
    func dropOldest() -> DroppedEnvelope?
}

/// Keeps envelopes in memory: at most `byteLimit` bytes of them, some 100 bytes for each, and a few spare buffers.
/// They are lost with the program.
public final class MemoryQueue: EnvelopeQueue {
    private enum State { case unsent, sent, done }

    private struct Slot {
        var state = State.done
        var sequence: UInt64 = 0
        var digest = Digest(InlineArray(repeating: 0))
        var readings = 0
        var envelope: [UInt8] = []
    }

    /// The most buffers that are kept for later envelopes.
    private static let maximumSpare = 8

    private let byteLimit: Int
    private var slots: [Slot] = [Slot()]
    /// The oldest slot, and how many from there on are in use.
    private var head = 0
    private var length = 0
    private var bytes = 0
    /// Buffers of released envelopes, used again by later ones, so that a steady flow allocates nothing.
    private var spare: [[UInt8]] = []

    public private(set) var count = 0
    public private(set) var unsentCount = 0

    public init(byteLimit: Int) { self.byteLimit = byteLimit }

    public var isDurable: Bool { false }

    public func hasRoom(for size: Int) -> Bool { size <= byteLimit - bytes }

    public func append(
        sequence: UInt64, readings: Int, _ write: (inout [UInt8]) throws(EnvelopeError) -> Digest
    ) throws(EnvelopeError) {
        if length == slots.count { makeRoom() }
        var envelope = spare.popLast() ?? []
        let digest = try write(&envelope)
        length += 1
        count += 1
        unsentCount += 1
        bytes += envelope.count
        slots[place(length - 1)] = Slot(
            state: .unsent, sequence: sequence, digest: digest, readings: readings, envelope: envelope)
    }

    public func sendNext(_ send: (UInt64, Span<UInt8>) -> Bool) -> Bool {
        guard unsentCount > 0, let index = firstIndex(where: { $0.state == .unsent }) else { return false }
        // Taken out for the time of the call, not copied.
        var envelope: [UInt8] = []
        swap(&envelope, &slots[index].envelope)
        defer { swap(&envelope, &slots[index].envelope) }
        guard send(slots[index].sequence, envelope.span) else { return false }
        slots[index].state = .sent
        unsentCount -= 1
        return true
    }

    public func release(_ sequence: UInt64) {
        if let index = firstIndex(where: { $0.sequence == sequence && $0.state != .done }) { retire(index) }
    }

    public func restore(_ sequence: UInt64) {
        if let index = firstIndex(where: { $0.sequence == sequence && $0.state == .sent }) {
            slots[index].state = .unsent
            unsentCount += 1
        }
    }

    public func drop(_ sequence: UInt64) -> DroppedEnvelope? {
        guard let index = firstIndex(where: { $0.sequence == sequence && $0.state != .done }) else { return nil }
        return give(up: index)
    }

    public func dropOldest() -> DroppedEnvelope? {
        guard let index = firstIndex(where: { $0.state == .unsent }) else { return nil }
        return give(up: index)
    }

    private func give(up index: Int) -> DroppedEnvelope {
        let dropped = DroppedEnvelope(
            sequence: slots[index].sequence, digest: slots[index].digest, readings: slots[index].readings)
        retire(index)
        return dropped
    }

    /// The slot is free once all older ones are.
    private func retire(_ index: Int) {
        if slots[index].state == .unsent { unsentCount -= 1 }
        slots[index].state = .done
        count -= 1
        bytes -= slots[index].envelope.count
        var envelope: [UInt8] = []
        swap(&envelope, &slots[index].envelope)
        if spare.count < Self.maximumSpare {
            envelope.removeAll(keepingCapacity: true)
            spare.append(envelope)
        }
        while length > 0, slots[head].state == .done {
            head = (head + 1) % slots.count
            length -= 1
        }
    }

    /// Slots, and bytes that buffers without an envelope hold: what a test of the bounds looks at.
    var places: Int { slots.count }
    var reserved: Int {
        spare.reduce(0) { $0 + $1.capacity } + slots.reduce(0) { $0 + ($1.state == .done ? $1.envelope.capacity : 0) }
    }

    private func place(_ offset: Int) -> Int { (head + offset) % slots.count }

    private func firstIndex(where matches: (Slot) -> Bool) -> Int? {
        for offset in 0..<length where matches(slots[place(offset)]) { return place(offset) }
        return nil
    }

    /// Makes room for one more. An envelope that is never released must not make the ring grow for ever, so places
    /// that were freed behind it are won back first.
    private func makeRoom() {
        let capacity = count * 2 > slots.count ? slots.count * 2 : slots.count
        var larger: [Slot] = []
        larger.reserveCapacity(capacity)
        for offset in 0..<length where slots[place(offset)].state != .done { larger.append(slots[place(offset)]) }
        length = larger.count
        while larger.count < capacity { larger.append(Slot()) }
        slots = larger
        head = 0
    }
}
