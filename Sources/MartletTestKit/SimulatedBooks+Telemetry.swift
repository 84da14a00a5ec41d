// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletEnvelope
internal import MartletMessages

/// What is known of one lane since the last loss of state.
struct SimulatedLane {
    /// An envelope that the device signed.
    struct Closed {
        let head: ChainHead
        let life: Int
        /// Readings of this lane and life, up to its last one.
        let readings: UInt64
        var isDurable = false
    }

    /// In the order in which they were signed. A number may be there twice: once of what a power cut took.
    fileprivate(set) var closed: [Closed] = []
    /// The hash of all bytes of what was sent, by number, and the highest of these numbers.
    fileprivate var sent: [UInt64: Digest] = [:]
    fileprivate var newest: UInt64 = 0
    /// What the back end has, with the link that it carries. Nothing is forgotten here when state is lost.
    fileprivate var stored: [ChainHead: ChainHead?] = [:]
    fileprivate var gaps: [Gap] = []

    fileprivate func isStored(_ head: ChainHead) -> Bool { stored.index(forKey: head) != nil }

    fileprivate func isTold(_ sequence: UInt64) -> Bool {
        gaps.contains { $0.first <= sequence && sequence <= $0.last }
    }
}

/// What became of readings.
extension SimulatedBooks {
    /// The device signed an envelope, which may not be durable yet.
    func closed(_ lane: Lane, _ head: ChainHead, readings: Int) {
        let place = Int(lane.rawValue)
        let last = lanes[place].closed.last
        let before = last?.life == life ? last?.readings ?? 0 : 0
        if last?.life == life, let last, head.sequence <= last.head.sequence {
            fail("a number was given twice", head.sequence)
        }
        lanes[place].closed.append(
            SimulatedLane.Closed(head: head, life: life, readings: before + UInt64(clamping: readings)))
    }

    /// So many readings of this life survive a power cut.
    func durable(_ lane: Lane, readings: UInt64) {
        let place = Int(lane.rawValue)
        for index in lanes[place].closed.indices.reversed() {
            let closed = lanes[place].closed[index]
            if closed.isDurable || closed.life != life { return }
            if closed.readings > readings { continue }
            lanes[place].closed[index].isDurable = true
            totals.count(.durableEnvelope)
        }
    }

    /// An envelope went out, for the first time or again.
    func published(_ lane: Lane, _ sequence: UInt64, _ bytes: Digest) {
        let place = Int(lane.rawValue)
        if let known = lanes[place].sent.updateValue(bytes, forKey: sequence) {
            if known != bytes { fail("a sequence number came again", sequence) }
            return
        }
        if sequence < lanes[place].newest { fail("an older envelope was sent after a newer one", sequence) }
        lanes[place].newest = max(lanes[place].newest, sequence)
    }

    /// The back end got an envelope. False if it has another one of this number.
    func arrived(_ lane: Lane, _ head: ChainHead, previous: ChainHead?) -> Bool {
        let place = Int(lane.rawValue)
        let isFork = lanes[place].stored.keys.contains { $0.sequence == head.sequence && $0.digest != head.digest }
        if isFork, losses == 0 { fail("the back end got two envelopes of one number", head.sequence) }
        lanes[place].stored[head] = .some(previous)
        return !isFork
    }

    /// The back end was told that envelopes will never come.
    func told(_ lane: Lane, _ gap: Gap) {
        totals.count(.gap)
        if gap.reason == .quota { totals.count(.quotaGap) }
        if losses == 0, totals[.diskError] == 0, !reasons.contains(gap.reason) {
            fail("a gap was told for a reason that there was not", gap.first)
        }
        lanes[Int(lane.rawValue)].gaps.append(gap)
    }

    /// Whether the device said that its disk, which failed, lost readings.
    var saysDiskLost: Bool {
        totals[.diskError] > 0 && lanes.contains { $0.gaps.contains { $0.reason == .corrupt } }
    }

    /// State was lost: what was durable before may be gone, and its numbers may come again.
    func forgetReadings() {
        for place in lanes.indices {
            lanes[place].closed = []
            lanes[place].sent = [:]
            lanes[place].newest = 0
            lanes[place].gaps = []
        }
    }

    /// It is calm, and everything was sent: what was durable was stored or told, and is linked.
    func judgeReadings() {
        for lane in lanes {
            for closed in lane.closed where closed.isDurable {
                if !lane.isStored(closed.head), !lane.isTold(closed.head.sequence) {
                    fail("durable readings were neither stored nor told", closed.head.sequence)
                }
            }
            if losses == 0 { judgeLinks(lane) }
        }
    }

    /// Each envelope that was stored is linked to the one before. That may be one of which only the disk knows that it
    /// became durable, as the power went.
    private func judgeLinks(_ lane: SimulatedLane) {
        let all = lane.closed.sorted { $0.head.sequence < $1.head.sequence }
        var last: ChainHead?
        for closed in all {
            if let previous = lane.stored[closed.head], previous != last {
                let isKnown = all.contains {
                    $0.head == previous && $0.head.sequence < closed.head.sequence
                        && $0.head.sequence > last?.sequence ?? 0
                }
                // What the disk lost is told, and the chain begins anew behind it.
                let isAnew =
                    previous == nil && totals[.diskError] > 0
                    && lane.gaps.contains { $0.reason == .corrupt && $0.last &+ 1 == closed.head.sequence }
                if !isKnown, !isAnew { fail("an envelope is not linked to the one before", closed.head.sequence) }
            }
            if closed.isDurable || lane.isStored(closed.head) {
                if last?.sequence == closed.head.sequence {
                    fail("two durable envelopes of one number", closed.head.sequence)
                }
                last = closed.head
            }
        }
    }
}
