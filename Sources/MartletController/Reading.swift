// SPDX-License-Identifier: Apache-2.0

public import MartletEnvelope
internal import MartletMessages
internal import MartletSenML

/// One measurement.
public struct Reading: Equatable, Sendable {
    public enum Value: Equatable, Sendable {
        case number(Double)
        /// UTF-8, with whatever characters the device sent.
        case text([UInt8])
        case boolean(Bool)
        case data([UInt8])
    }

    /// 1 to 128 bytes of ASCII: letters, digits and `-:./_`.
    public let name: [UInt8]
    /// 1 to 16 visible ASCII characters.
    public let unit: [UInt8]?
    /// nil if there is only a sum.
    public let value: Value?
    public let sum: Double?
    public let time: ReadingTime
}

/// When a reading was taken.
public enum ReadingTime: Equatable, Sendable {
    /// Milliseconds since 1970. How far to trust them is the claim `clock`, unless the time was resolved.
    case absolute(milliseconds: Int64)
    /// The device had no time: milliseconds since the start of this boot, which may be negative for a reading that
    /// a device made up. `DeviceVerifier.wallClock` resolves it once the boot is dated.
    case sinceBoot(Bytes16, milliseconds: Int64)
    /// Relative to a moment that the envelope does not tell.
    case unknown
}

extension Reading {
    /// Reads a SenML pack. Relative times are relative to signing: to `iat`, or else to the claims' place in a boot.
    static func all(
        in payload: Span<UInt8>, claims: Claims, wallClock: Int64?
    ) throws(SenMLError) -> [Reading] {
        var readings: [Reading] = []
        var reader = SenMLReader(payload)
        while try reader.next() {
            let record = reader.record
            let value: Value? =
                switch record.value {
                case .number(let number): .number(number)
                case .string(let range): .text([UInt8](copying: payload.extracting(range)))
                case .boolean(let boolean): .boolean(boolean)
                case .data(let range): .data([UInt8](copying: payload.extracting(range)))
                case nil: nil
                }
            readings.append(
                Reading(
                    name: reader.name(), unit: record.unit.map { [UInt8](copying: payload.extracting($0)) },
                    value: value, sum: record.sum, time: time(of: record, claims, wallClock)))
        }
        return readings
    }

    private static func time(
        of record: SenMLResolvedRecord, _ claims: Claims, _ wallClock: Int64?
    ) -> ReadingTime {
        guard let milliseconds = record.time.milliseconds else { return .unknown }
        if case .absolute = record.time { return .absolute(milliseconds: milliseconds) }
        if let issuedAt = claims.issuedAt {
            return .absolute(milliseconds: Int64(clamping: issuedAt) &* 1000 &+ milliseconds)
        }
        guard let boot = claims.boot else { return .unknown }
        let sinceBoot = Int64(clamping: boot.milliseconds).addingReportingOverflow(milliseconds)
        if sinceBoot.overflow { return .unknown }
        return ReadingTime.sinceBoot(boot.id, milliseconds: sinceBoot.partialValue).resolved(by: wallClock)
    }
}

extension ReadingTime {
    /// The time as an absolute one. `wallClock`: milliseconds since 1970 at which this boot began, nil if that is not
    /// known.
    public func resolved(by wallClock: Int64?) -> ReadingTime {
        guard case .sinceBoot(_, let milliseconds) = self, let wallClock else { return self }
        let time = milliseconds.addingReportingOverflow(wallClock)
        return time.overflow ? .unknown : .absolute(milliseconds: time.partialValue)
    }
}
