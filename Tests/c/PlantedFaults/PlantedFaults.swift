// SPDX-License-Identifier: Apache-2.0

internal import MartletPosix

// Faults that a sanitizer must find in Swift: if it does not, its silence about the library means nothing.

nonisolated(unsafe) private var counter = 0

/// Two threads change a variable without a lock.
@c public func planted_race() {
    let threads = (0..<2).map { _ in try? Thread { for _ in 0..<10_000 { counter += 1 } } }
    for thread in threads { thread?.join() }
}

/// Reads behind an allocation.
@c public func planted_overflow() -> Int32 {
    let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
    bytes.initialize(repeating: 1, count: 16)
    defer { bytes.deallocate() }
    return Int32(bytes[16 + counter])
}
