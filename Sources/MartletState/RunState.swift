// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
internal import MartletCOSE
internal import MartletEnvelope
public import MartletMessages
internal import MartletTelemetry

/// What one run must know of those before: the run counter and the sequence numbers that were given out.
public struct RunState: Equatable, Sendable {
    /// Sequence numbers that are reserved at once. So many are skipped at most if the spool is damaged.
    public static let reservation: UInt64 = 4096
    /// All numbers stay below: far from overflow for the lifetime of any device.
    public static let limit: UInt64 = 1 << 62

    /// Of one lane.
    public struct Lane: Equatable, Sendable {
        /// Envelopes below this sequence number were durable, and may have been sent.
        public var least: UInt64
        /// No envelope has this sequence number or a higher one.
        public var next: UInt64
        /// What was given up and not told yet.
        public var gaps: [Gap]

        public init(least: UInt64 = 0, next: UInt64, gaps: [Gap] = []) {
            self.least = least
            self.next = next
            self.gaps = gaps
        }
    }

    public var run: UInt64
    /// In the order of the lanes' codes.
    public var lanes: [Lane]

    public func encoded() -> [UInt8]? {
        CBORWriter.encode(limit: 4096) { writer in
            writer.array(1 + lanes.count)
            writer.unsigned(run)
            for lane in lanes {
                writer.array(3)
                writer.unsigned(lane.least)
                writer.unsigned(lane.next)
                writer.array(lane.gaps.count)
                for gap in lane.gaps { writer.bytes(gap.encoded().span) }
            }
        }
    }

    /// nil if the bytes are not a saved state.
    public init?(decoding bytes: [UInt8]) {
        lanes = []
        do throws(CBORError) {
            var reader = CBORReader(bytes.span)
            try reader.array(exactly: 1 + MartletEnvelope.Lane.allCases.count)
            run = try reader.unsigned()
            for _ in MartletEnvelope.Lane.allCases {
                try reader.array(exactly: 3)
                var lane = Lane(least: try reader.unsigned(), next: try reader.unsigned())
                for _ in 0..<(try reader.array()) {
                    let range = try reader.bytes()
                    guard let gap = try? Gap(decoding: bytes.span.extracting(range)) else { return nil }
                    lane.gaps.append(gap)
                }
                lanes.append(lane)
            }
            try reader.finish()
        } catch {
            return nil
        }
        guard run < Self.limit,
            lanes.allSatisfy({ lane in
                lane.least <= lane.next && lane.next < Self.limit && lane.gaps.count <= GapList.capacity
                    && lane.gaps.allSatisfy { $0.last < lane.next }
            })
        else { return nil }
    }

    public init(run: UInt64, lanes: [Lane]) {
        self.run = run
        self.lanes = lanes
    }
}
