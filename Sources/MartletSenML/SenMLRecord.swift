// SPDX-License-Identifier: Apache-2.0

public import MartletCBOR

/// One record to be written. A pack is the array header `writer.array(count)`, then `count` records.
///
/// What goes in is checked where it enters the system, by the functions of `SenML`, and not again here: the resolved
/// name, the units and the numbers must be allowed, a string must be UTF-8, and a value or a sum must be there.
public struct SenMLRecord: ~Escapable {
    public enum Value: ~Escapable {
        case number(Double)
        case string(Span<UInt8>)
        case boolean(Bool)
        case data(Span<UInt8>)
    }

    /// Fields that hold for this record and all later ones of the pack. An empty name or unit is left out.
    public struct Base: ~Escapable {
        let name: Span<UInt8>
        let unit: Span<UInt8>
        let time: Int64?

        /// `time` in milliseconds: times of records are then relative to it.
        @_lifetime(copy name, copy unit)
        public init(name: Span<UInt8> = Span(), unit: Span<UInt8> = Span(), time: Int64? = nil) {
            self.name = name
            self.unit = unit
            self.time = time
        }
    }

    private let name: Span<UInt8>
    private let unit: Span<UInt8>
    private let value: Value?
    private let sum: Double?
    private let time: Int64?

    /// `time` in milliseconds. An empty name or unit is left out, so that of the base holds.
    @_lifetime(copy name, copy unit, copy value)
    public init(
        name: Span<UInt8>, unit: Span<UInt8> = Span(), value: consuming Value?, sum: Double? = nil, time: Int64? = nil
    ) {
        self.name = name
        self.unit = unit
        self.value = value
        self.sum = sum
        self.time = time
    }

    /// Writes the record, with `base` if it is the first one of its pack.
    ///
    /// The same record always gives the same bytes: keys in deterministic order; a number that is integral and from
    /// -2^32 to 2^32 - 1 as an integer, which is never longer than a float, any other one and -0 as the shortest float.
    public func write(to writer: inout CBORWriter, base: Base? = nil) {
        writer.map(
            (name.isEmpty ? 0 : 1) + (unit.isEmpty ? 0 : 1) + (value == nil ? 0 : 1) + (sum == nil ? 0 : 1)
                + (time == nil ? 0 : 1) + (base?.fieldCount ?? 0))
        writer.field(Label.name, text: name)
        writer.field(Label.unit, text: unit)
        if case .number(let number)? = value {
            writer.shortInteger(Label.value)
            writer.number(number)
        }
        if case .string(let string)? = value {
            writer.shortInteger(Label.stringValue)
            writer.text(string)
        }
        if case .boolean(let boolean)? = value {
            writer.shortInteger(Label.booleanValue)
            writer.bool(boolean)
        }
        if let sum {
            writer.shortInteger(Label.sum)
            writer.number(sum)
        }
        if let time {
            writer.shortInteger(Label.time)
            writer.seconds(milliseconds: time)
        }
        if case .data(let data)? = value {
            writer.shortInteger(Label.dataValue)
            writer.bytes(data)
        }
        base?.write(to: &writer)
    }
}

extension SenMLRecord.Base {
    fileprivate var fieldCount: Int {
        (name.isEmpty ? 0 : 1) + (unit.isEmpty ? 0 : 1) + (time == nil ? 0 : 1)
    }

    fileprivate func write(to writer: inout CBORWriter) {
        writer.field(Label.baseName, text: name)
        if let time {
            writer.shortInteger(Label.baseTime)
            writer.seconds(milliseconds: time)
        }
        writer.field(Label.baseUnit, text: unit)
    }
}

extension CBORWriter {
    /// Nothing if the text is empty.
    fileprivate mutating func field(_ label: UInt8, text: Span<UInt8>) {
        guard !text.isEmpty else { return }
        shortInteger(label)
        self.text(text)
    }

    fileprivate mutating func number(_ value: Double) {
        if value >= -0x1p32, value < 0x1p32, value.bitPattern != (-0.0).bitPattern {
            let integral = Int64(value)
            if Double(integral) == value {
                return integer(integral)
            }
        }
        double(value)
    }

    /// Whole seconds as an integer, others as `SenML.seconds` gives them.
    fileprivate mutating func seconds(milliseconds: Int64) {
        let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
        if rest == 0 {
            integer(seconds)
        } else {
            double(SenML.seconds(milliseconds: milliseconds))
        }
    }
}
