// SPDX-License-Identifier: Apache-2.0

/// Conversions of IEEE 754 binary16 by its bits: `Float16` needs runtime functions that 32-bit boards lack.
enum FloatBits {
    /// The only NaN of deterministic encoding.
    static let nan: UInt16 = 0x7e00

    /// The value of a half, exactly.
    static func single(fromHalf half: UInt16) -> Float {
        let sign = UInt32(half & 0x8000) << 16
        let exponent = UInt32(half >> 10) & 31
        let fraction = UInt32(half & 0x3ff)
        switch exponent {
        case 0:
            let magnitude = Float(fraction) * 0x1p-24
            return Float(bitPattern: sign | magnitude.bitPattern)
        case 31:
            return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13)
        default:
            return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
        }
    }

    /// The half with exactly this value, if there is one. NaN has none.
    static func half(exactly value: Float) -> UInt16? {
        let bits = value.bitPattern
        let sign = UInt16(bits >> 31) << 15
        let exponent = Int32(bits >> 23 & 255) - 127
        let fraction = bits & 0x7f_ffff
        switch exponent {
        case 128 where fraction == 0:
            return sign | 0x7c00
        case -127 where fraction == 0:
            return sign
        case -14...15 where fraction & 0x1fff == 0:
            return sign | UInt16(exponent + 15) << 10 | UInt16(fraction >> 13)
        case -24 ... -15:
            // A subnormal half counts units of 2^-24.
            let significand = fraction | 0x80_0000
            let shift = UInt32(-1 - exponent)
            return significand & (1 << shift - 1) == 0 ? sign | UInt16(significand >> shift) : nil
        default:
            return nil
        }
    }

    /// The single with exactly this value, if there is one. NaN has none.
    static func single(exactly value: Double) -> Float? {
        let single = Float(value)
        return Double(single) == value ? single : nil
    }
}
