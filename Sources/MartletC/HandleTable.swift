// SPDX-License-Identifier: Apache-2.0

internal import MartletPosix

/// Numbers that C keeps instead of pointers. One that was given back, or never given, finds nothing.
///
/// A handle is its slot, in the low 8 bits, and above it how often the slot was taken. The highest bit is set, so that
/// none is NULL and, on 64-bit machines, none is the address of anything. A slot gives the same handle again after
/// 2^54 times, on 32-bit machines after 2^22.
final class HandleTable<Object: AnyObject & Sendable>: Sendable {
    private struct Slot {
        var generation: UInt
        var object: Object?
    }

    private static var slotBits: Int { 8 }
    private static var highestBit: UInt { 1 << UInt(UInt.bitWidth - slotBits - 1) }

    private let slots = Guarded<[Slot]>([])
    private let kind: UInt

    /// Tables of different `kind`, 0 or 1, never give the same handle.
    init(kind: UInt) { self.kind = kind }

    /// nil if all slots are taken.
    func insert(_ object: Object) -> OpaquePointer? {
        slots.with { slots in
            var index = slots.firstIndex { $0.object == nil } ?? slots.count
            if index == slots.count {
                if index == 1 << Self.slotBits { return nil }
                slots.append(Slot(generation: Self.highestBit | kind, object: nil))
                index = slots.count - 1
            }
            let generation = (slots[index].generation &+ 2) & (.max >> UInt(Self.slotBits)) | Self.highestBit
            slots[index] = Slot(generation: generation, object: object)
            return OpaquePointer(bitPattern: generation << UInt(Self.slotBits) | UInt(index))
        }
    }

    /// The object lives on while the caller holds it, whoever removes it meanwhile.
    func find(_ handle: OpaquePointer?) -> Object? {
        slots.with { slots in Self.index(of: handle, in: slots).flatMap { slots[$0].object } }
    }

    /// Only the first caller gets it.
    func remove(_ handle: OpaquePointer?) -> Object? {
        slots.with { slots in
            guard let index = Self.index(of: handle, in: slots) else { return nil }
            let object = slots[index].object
            slots[index].object = nil
            return object
        }
    }

    private static func index(of handle: OpaquePointer?, in slots: [Slot]) -> Int? {
        let value = UInt(bitPattern: handle)
        let index = Int(value & (1 << UInt(slotBits) - 1))
        return index < slots.count && slots[index].generation == value >> UInt(slotBits) ? index : nil
    }
}

/// Devices that are open.
let devices = HandleTable<Session>(kind: 0)

/// Commands whose handler runs.
let calls = HandleTable<CallContext>(kind: 1)
