// SPDX-License-Identifier: Apache-2.0

extension Journal {
    /// What was found on the disk.
    public struct Recovery: Equatable, Sendable {
        /// No record was delivered.
        public var isEmpty: Bool
        /// Places that held something that cannot be read any more. What a power cut left unfinished is none: it was
        /// never acknowledged.
        public var damage: Int

        public init(isEmpty: Bool, damage: Int) {
            self.isEmpty = isEmpty
            self.damage = damage
        }
    }

    /// Gives the records of the newest segment whose first frame is whole, and then what later segments hold, to
    /// `record`; to be called once, before the first commit. If it throws it may be called again.
    ///
    /// `isFirst`: the record is the first one of a segment, where the owner's snapshot begins; forget what was before.
    /// An earlier run that was killed may have left records in the kernel's cache only: they are synced here. If that
    /// fails, the next commit makes its snapshot of them durable; where the owner keeps segments, it is damage.
    public func recover(
        _ record: (_ bytes: Span<UInt8>, _ isFirst: Bool) -> Void
    ) throws(JournalError) -> Recovery {
        guard !isRecovered else { throw .outOfOrder }
        var recovery = Recovery(isEmpty: true, damage: 0)
        try list(&recovery)
        let base = try findBase()
        if base < closed.count {
            if (try? storage.sync(name(closed[base].number))) != nil {
                newestDurable = closed[base].number
            } else if historySize == nil {
                recovery.damage += 1
            }
        }
        var kept: [ClosedSegment] = []
        for index in closed.indices {
            if index < base {
                let isOld = historySize == nil && index + 1 < base
                kept.append(isOld ? closed[index] : try measured(closed[index]))
            } else if let segment = try recover(closed[index], &recovery, record) {
                kept.append(segment)
            } else {
                abandoned.append(closed[index].number)
            }
        }
        closed = kept
        isRecovered = true
        return recovery
    }

    /// An older segment with its end, if that is sure: a power cut undid that it was trimmed, or came before. Were
    /// it left as large as it was made, a few starts would push all history out.
    private func measured(_ segment: ClosedSegment) throws(JournalError) -> ClosedSegment {
        guard let content = try content(segment.number), var reader = try reader(segment.number, content),
            !reader.isCutOff
        else { return segment }
        while reader.next() {}
        if reader.gaps > 0 || reader.lostItsEnd() { return segment }
        return ClosedSegment(number: segment.number, size: segment.size, end: reader.end)
    }

    /// Fills `closed` in the order of the numbers.
    private func list(_ recovery: inout Recovery) throws(JournalError) {
        closed = []
        abandoned = []
        let names: [SegmentName]
        do throws(StorageError) { names = try storage.segments() } catch { throw .storage(error) }
        for name in names where name.stream == stream {
            guard name.number < Self.endOfNumbers else {
                recovery.damage += 1
                continue
            }
            var place = closed.count
            while place > 0, closed[place - 1].number > name.number { place -= 1 }
            closed.insert(ClosedSegment(number: name.number, size: 0, end: 0), at: place)
        }
        nextNumber = (closed.last?.number ?? 0) + 1
    }

    /// Sets the sizes. The place of the newest segment whose first frame is whole; 0 if there is none. Where the owner
    /// keeps what it needs, older ones are not looked at: there may be many.
    private func findBase() throws(JournalError) -> Int {
        var base: Int?
        for index in closed.indices.reversed() {
            let number = closed[index].number
            if base != nil && historySize == nil {
                closed[index] = ClosedSegment(number: number, size: segmentSize, end: segmentSize)
                continue
            }
            guard let content = try content(number) else {
                let size = segmentSize
                closed[index] = ClosedSegment(number: number, size: size, end: size)
                continue
            }
            closed[index] = ClosedSegment(number: number, size: content.count, end: content.count)
            if base == nil, var reader = try reader(number, content), reader.next(), reader.nextIndex == 1 {
                base = index
            }
        }
        return base ?? 0
    }

    /// The bytes of a segment; nil if they cannot be read for good. Tries twice: falling back to an older segment by
    /// mistake would lose what was acknowledged.
    func content(_ number: UInt64) throws(JournalError) -> [UInt8]? {
        let limit = SegmentHeader.sizes.upperBound
        if let content = try? storage.read(name(number), limit: limit) { return content }
        do throws(StorageError) {
            return try storage.read(name(number), limit: limit)
        } catch {
            if error == .unreadable { return nil }
            throw .storage(error)
        }
    }

    /// nil if the segment never had a durable frame.
    private func recover(
        _ segment: ClosedSegment, _ recovery: inout Recovery, _ record: (Span<UInt8>, Bool) -> Void
    ) throws(JournalError) -> ClosedSegment? {
        guard let content = try content(segment.number) else {
            recovery.damage += 1
            return segment
        }
        let bytes = content.span
        if bytes.isZero(0..<min(bytes.count, SegmentHeader.count)) { return nil }
        guard var reader = try reader(segment.number, content) else {
            recovery.damage += 1
            return segment
        }
        var damage = 0
        while reader.next() {
            let plaintext = reader.plaintext
            let isFirstFrame = reader.nextIndex == 1
            let isWhole = FrameRecords.read(plaintext.span) { bytes, place in
                recovery.isEmpty = false
                record(bytes, isFirstFrame && place == 0)
            }
            if !isWhole { damage += 1 }
        }
        damage += reader.gaps
        if reader.lostItsEnd() { damage += 1 }
        if reader.isCutOff { damage += 1 }
        recovery.damage += damage
        if damage > 0 { return segment }
        return reader.nextIndex == 0
            ? nil : ClosedSegment(number: segment.number, size: segment.size, end: reader.end)
    }
}
