// SPDX-License-Identifier: Apache-2.0

/// What RFC 8428 fixes for both directions: identifiers, and which names, units and numbers are allowed.
public enum SenML {
    /// CoAP Content-Format of a SenML pack in CBOR (application/senml+cbor).
    public static let contentFormat: UInt64 = 112

    /// The version that is written by leaving it out, and the highest that is read (section 4.4).
    static let version: UInt64 = 10

    /// The most bytes of a base name and a name together that are read.
    static let longestResolvedName = 128

    /// Whether `name` may name a reading: section 4.5.1, and 1 to 64 bytes.
    public static func isName(_ name: Span<UInt8>) -> Bool {
        guard (1...64).contains(name.count), isAlphanumeric(name[0]) else { return false }
        return hasNameCharactersOnly(name, in: name.indices)
    }

    /// Whether `unit` may be a unit: 1 to 16 visible ASCII characters. That it is registered is not checked.
    public static func isUnit(_ unit: Span<UInt8>) -> Bool {
        isUnit(unit, in: unit.indices)
    }

    /// Whether `number` may be a value or a sum: NaN and the infinities have no place in SenML.
    public static func isNumber(_ number: Double) -> Bool {
        number.isFinite
    }

    /// The seconds that stand for a time in milliseconds: the Double nearest to `milliseconds` / 1000.
    /// `SenMLTime.milliseconds` gives back every time within 2^51 ms of zero, some 71,000 years.
    public static func seconds(milliseconds: Int64) -> Double {
        Double(milliseconds) / 1000
    }

    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x61...0x7a, 0x41...0x5a, 0x30...0x39: true
        default: false
        }
    }
}

/// The integer labels of section 6, table 4, as they are encoded: in one byte, from 0x20 on for -1 and below.
enum Label {
    static let name: UInt8 = 0
    static let unit: UInt8 = 1
    static let value: UInt8 = 2
    static let stringValue: UInt8 = 3
    static let booleanValue: UInt8 = 4
    static let sum: UInt8 = 5
    static let time: UInt8 = 6
    static let updateTime: UInt8 = 7
    static let dataValue: UInt8 = 8

    static let baseVersion: UInt8 = 0x20
    static let baseName: UInt8 = 0x21
    static let baseTime: UInt8 = 0x22
    static let baseUnit: UInt8 = 0x23
    static let baseValue: UInt8 = 0x24
    static let baseSum: UInt8 = 0x25
}
