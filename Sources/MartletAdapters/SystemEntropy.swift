// SPDX-License-Identifier: Apache-2.0

internal import MartletOpenSSL
public import MartletSession

/// OpenSSL's random numbers, seeded by the operating system.
public final class SystemEntropy: Entropy {
    public init() {}

    public func next() -> UInt64? {
        guard let bytes: InlineArray<8, UInt8> = try? Random.bytes() else { return nil }
        var value: UInt64 = 0
        for index in bytes.indices { value = value << 8 | UInt64(bytes[index]) }
        return value
    }
}
