// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope
internal import MartletJournal
internal import MartletMessages

/// Reading back from the disk what has no copy in memory, frame by frame, one segment in memory at a time.
extension Spool {
    final class Reading {
        let segment: UInt64
        /// Commits after which there will be more in the segment than was read; nil if nothing is written to it.
        let commits: Int?
        let frames: SegmentFrames

        init(segment: UInt64, commits: Int?, frames: SegmentFrames) {
            self.segment = segment
            self.commits = commits
            self.frames = frames
        }
    }

    func dropCopies(before sequence: UInt64) {
        while !newest.isEmpty, newest[0].sequence < sequence { removeCopy() }
    }

    /// The first envelope that is in memory as a copy, or where the next one will be.
    var copiesBegin: UInt64 { newest.isEmpty ? state.end.sequence : newest[0].sequence }

    /// Where the envelopes on the disk end that have no copy in memory.
    var uncopiedEnd: SpoolPosition {
        if newest.isEmpty { return state.end }
        var end = newest[0].end
        end.sequence = newest[0].sequence
        end.envelopes -= 1
        end.readings -= UInt64(clamping: newest[0].readings)
        return end
    }

    /// Reads on until something was added to `front` or `loaded` moved. False if nothing can be read now.
    func readFrame() -> Bool {
        isReadable = true
        let before = loaded
        guard let reading = reading ?? open(at: lastSegment(from: loaded)) else { return skipLost() }
        self.reading = reading
        while loaded == before {
            if reading.frames.next({ self.take($0, isFirst: $1, of: reading.segment) }) { continue }
            // The end of this segment.
            self.reading = nil
            if let then = reading.commits, then != commits { return true }
            guard let index = segments.firstIndex(where: { $0.number == reading.segment }) else { return true }
            self.reading = open(at: index + 1)
            return self.reading != nil || skipLost()
        }
        return true
    }

    /// The last segment of which it is known that it begins at `place` or before; 0 if there is none.
    private func lastSegment(from place: SpoolPosition) -> Int {
        segments.lastIndex { ($0.start?.end.sequence ?? .max) <= place.sequence } ?? 0
    }

    /// The first segment from `index` on that can be read.
    private func open(at index: Int) -> Reading? {
        for place in min(index, segments.count)..<segments.count {
            let number = segments[place].number
            do throws(JournalError) {
                if let frames = try journal.frames(of: number) {
                    let isNewest = place + 1 == segments.count
                    return Reading(segment: number, commits: isNewest ? commits : nil, frames: frames)
                }
            } catch {
                isReadable = false
                return nil
            }
        }
        return nil
    }

    private func take(_ record: Span<UInt8>, isFirst: Bool, of segment: UInt64) {
        guard record.count > 0 else { return }
        if let state = SpoolState(record: record) {
            if isFirst, let index = segments.firstIndex(where: { $0.number == segment }) { begins(index, state) }
            if state.end.sequence >= loaded.sequence, state.end.sequence <= copiesBegin { lose(upTo: state.end) }
        } else if record[0] == SpooledEnvelope.kind, let (sequence, readings) = SpooledEnvelope.read(record) {
            // Of the frame where the copies begin also what has one: it may be gone when that is to be sent.
            guard sequence < copiesBegin ? sequence >= loaded.sequence : sequence == loaded.sequence,
                sequence < state.end.sequence
            else { return }
            if sequence > loaded.sequence {
                var end = loaded
                end.sequence = sequence
                end.envelopes += 1
                lose(upTo: end)
            }
            loaded.sequence = sequence + 1
            loaded.envelopes += 1
            loaded.readings += UInt64(clamping: readings)
            front.append(
                Entry(
                    readings: UInt32(clamping: readings), digest: nil, record: [UInt8](copying: record), end: loaded))
            unsentCount += 1
            dropCopies(before: loaded.sequence)
        }
    }

    /// The lane goes on at `end`. Where envelopes were counted that did not come, they are lost.
    private func lose(upTo end: SpoolPosition) {
        if end.envelopes > loaded.envelopes, end.sequence > loaded.sequence {
            losses.append(
                Gap(
                    first: loaded.sequence, last: end.sequence - 1,
                    readings: end.readings - min(loaded.readings, end.readings), reason: .corrupt, digest: nil))
        }
        loaded = end
    }

    /// What is between here and what is in memory cannot be read for good. False if it may be possible later.
    private func skipLost() -> Bool {
        if !isReadable { return false }
        lose(upTo: uncopiedEnd)
        return true
    }

    /// The state where the segment at `index` begins, or that where the next one begins whose begin can be read.
    func start(of index: Int) -> SpoolState? {
        for place in max(0, index)..<max(0, index, segments.count) {
            do throws(JournalError) {
                guard let start = try readStart(of: place) else { continue }
                begins(place, start)
                return start
            } catch {
                // A shortage that passes is no reason to take more segments for one.
                return nil
            }
        }
        return nil
    }

    /// The segment at `index` begins at `start`. So do, as nothing else is known, those before it that were passed over.
    private func begins(_ index: Int, _ start: SpoolState) {
        segments[index].start = start
        var place = index - 1
        while place > 0, case .none = segments[place].start {
            segments[place].start = start
            place -= 1
        }
    }

    /// The state where the segment at `index` begins; nil if that is damaged.
    func readStart(of index: Int) throws(JournalError) -> SpoolState? {
        if let start = segments[index].start { return start }
        guard let frames = try journal.frames(of: segments[index].number) else { return nil }
        var start: SpoolState?
        _ = frames.next { record, isFirst in if isFirst { start = SpoolState(record: record) } }
        segments[index].start = start
        return start
    }
}
