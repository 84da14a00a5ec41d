// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR

/// What a device has used of the quotas that have a period. It outlives the program: a boot refills nothing.
public struct Usage: Equatable, Sendable {
    public struct Period: Equatable, Sendable {
        /// Which one: hours, days or months since 1970.
        public var number: UInt64
        public var used: UInt64

        public init(number: UInt64 = 0, used: UInt64 = 0) {
            self.number = number
            self.used = used
        }
    }

    /// Milliseconds since 1970, as far as the device knows: where that is not known, it goes on as long as it runs.
    public var time: UInt64
    /// Attempts to connect in an hour.
    public var connections = Period()
    /// Bytes in a day (UTC).
    public var day = Period()
    /// Bytes in a month (UTC).
    public var month = Period()

    public init(
        time: UInt64, connections: Period = Period(), day: Period = Period(), month: Period = Period()
    ) {
        self.time = time
        self.connections = connections
        self.day = day
        self.month = month
    }

    public func encoded() -> [UInt8]? {
        CBORWriter.encode(limit: 80) { writer in
            writer.array(7)
            writer.unsigned(time)
            for period in [connections, day, month] {
                writer.unsigned(period.number)
                writer.unsigned(period.used)
            }
        }
    }

    /// nil if the bytes are not a saved usage.
    public init?(decoding bytes: Span<UInt8>) {
        time = 0
        do throws(CBORError) {
            var reader = CBORReader(bytes)
            try reader.array(exactly: 7)
            time = try reader.unsigned()
            connections = Period(number: try reader.unsigned(), used: try reader.unsigned())
            day = Period(number: try reader.unsigned(), used: try reader.unsigned())
            month = Period(number: try reader.unsigned(), used: try reader.unsigned())
            try reader.finish()
        } catch {
            return nil
        }
        for number in [time, connections.number, connections.used, day.number, day.used, month.number, month.used]
        where number >= Self.limit { return nil }
    }

    /// All numbers are below: sums of two do not overflow.
    private static let limit: UInt64 = 1 << 62
}
