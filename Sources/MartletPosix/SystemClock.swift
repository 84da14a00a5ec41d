// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// The clocks of this machine. Any thread.
public enum SystemClock {
    /// Milliseconds since 1970 by the wall clock, which anybody may have set wrong.
    public static func unixMilliseconds() -> Int64 { CPosix_realtime_ms() }

    /// Milliseconds since boot (CLOCK_BOOTTIME: counts while the board sleeps).
    public static func bootMilliseconds() -> UInt64 { CPosix_boottime_ms() }

    /// The kernel's random id of this boot; nil if /proc does not tell.
    public static func bootID() -> InlineArray<16, UInt8>? {
        guard let text = try? PublicFile.read("/proc/sys/kernel/random/boot_id", limit: 64) else { return nil }
        var id = InlineArray<16, UInt8>(repeating: 0)
        var nibbles = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: continue
            }
            if nibbles == 32 { return nil }
            id[nibbles / 2] = id[nibbles / 2] << 4 | digit
            nibbles += 1
        }
        return nibbles == 32 ? id : nil
    }
}
