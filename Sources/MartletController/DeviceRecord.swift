// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletAudit
internal import MartletCOSE
internal import MartletEnvelope
internal import MartletMessages

/// What is remembered of one device. Bounded, whatever the device sends.
struct DeviceRecord {
    static let maximumBoots = 8

    /// A key that a birth brought with a valid certificate. What it signed stays valid when the certificate ends.
    struct Key {
        let id: KeyID
        /// SHA-256 of the SubjectPublicKeyInfo.
        let digest: Digest
        let verifier: KeyVerifier
        /// What it is kept as.
        let memory: DeviceMemory.Key
    }

    /// When a boot of the device began.
    private struct DatedBoot {
        let id: Bytes16
        /// Milliseconds since 1970.
        let start: Int64
    }

    /// The URN in its certificate.
    let issuer: [UInt8]
    private var keys: [Key] = []
    /// The key that the newest one announced: SHA-256 of its SubjectPublicKeyInfo.
    private(set) var announced: Digest?
    private(set) var birth: Birth?
    private var birthClaims: Claims?
    private var boots: [DatedBoot] = []
    private var lanes: [LaneChain]
    var audit: AuditWalk

    init(issuer: [UInt8], memory: DeviceMemory? = nil) {
        self.issuer = issuer
        lanes = Lane.allCases.map { lane in
            if let head = memory?.heads[lane] { LaneChain(lane: lane, resuming: head) } else { LaneChain(lane: lane) }
        }
        audit = AuditWalk(
            after: memory?.journal, seen: memory?.journalSeen, from: memory?.journalFirst, hole: memory?.journalHole)
        run = memory?.run
        connection = memory?.connection ?? 0
    }

    /// Of the newest birth, or of one that was remembered.
    private(set) var run: UInt64?
    private(set) var connection: UInt64 = 0

    // MARK: Births

    /// How `next`, whose signature holds, stands to the newest one.
    func standing(of next: Birth, _ claims: Claims) -> BirthStanding {
        guard let run else { return .first }
        if next.run != run { return next.run > run ? .newer : .older }
        if next.connection != connection { return next.connection > connection ? .newer : .older }
        // After a restart of the back end the challenge of this connection is not known yet.
        guard let birth else { return .newer }
        if next.challenge == birth.challenge { return .repeated }
        // The challenge changed within one connection. Both belong to one run, thus to one boot.
        guard let last = birthClaims?.boot, let boot = claims.boot, last.id == boot.id else { return .newer }
        return boot.milliseconds > last.milliseconds ? .newer : .older
    }

    mutating func accept(_ next: Birth, _ claims: Claims) {
        run = next.run
        connection = next.connection
        birth = next
        birthClaims = claims
    }

    /// The device proved that this is its challenge now.
    mutating func renew(_ challenge: Bytes16) { birth?.challenge = challenge }

    /// Returns how the device came by it, if it is not the newest one.
    @discardableResult
    mutating func accept(_ key: Key) -> KeyChange? {
        let change = change(to: key)
        if change != nil { announced = nil }
        // The newest one is the last; the first time that its certificate came counts.
        if let index = keys.firstIndex(where: { $0.memory.chain.first == key.memory.chain.first }) {
            keys.append(keys.remove(at: index))
            return change
        }
        if keys.count == DeviceMemory.maximumKeys { keys.removeFirst() }
        keys.append(key)
        return change
    }

    private func change(to key: Key) -> KeyChange? {
        guard let newest = keys.last, newest.digest != key.digest else { return nil }
        return key.digest == announced ? .announced : .unannounced
    }

    /// The keys that a message may mean. Their id is a hint: two keys may share it, and one may have two certificates.
    func keys(named id: KeyID) -> [Key] { keys.filter { $0.id == id } }

    /// Of what lasts only the newest key may speak.
    func requireNewest(_ key: Key) throws(VerificationError) {
        guard keys.last?.digest == key.digest else { throw .replacedKey }
    }

    mutating func announce(_ next: Digest) { announced = next }

    // MARK: Audit log

    /// How the head of the log in a birth stands to what was seen. The broker repeats a birth that it retained, which
    /// in the newest run says only what was true when that connection began.
    mutating func judge(_ journal: ChainHead, in run: UInt64) -> AuditVerdict {
        let verdict = audit.announce(journal)
        return verdict == .rolledBack && run == self.run ? .repeated : verdict
    }

    // MARK: Time

    /// Dates the boot of a message with trusted time; the first one counts. True if the boot was not dated yet.
    mutating func date(_ claims: Claims) -> Bool {
        guard claims.clock == .trusted, let issuedAt = claims.issuedAt, let boot = claims.boot else { return false }
        if wallClock(of: boot.id) != nil { return false }
        let start = (Int64(clamping: issuedAt) * 1000).subtractingReportingOverflow(Int64(clamping: boot.milliseconds))
        if start.overflow { return false }
        if boots.count == Self.maximumBoots { boots.removeFirst() }
        boots.append(DatedBoot(id: boot.id, start: start.partialValue))
        return true
    }

    /// Milliseconds since 1970 at which the boot began, to a second.
    func wallClock(of boot: Bytes16) -> Int64? { boots.first { $0.id == boot }?.start }

    // MARK: Lanes

    subscript(lane: Lane) -> LaneChain {
        get { lanes[Int(lane.rawValue)] }
        _modify { yield &lanes[Int(lane.rawValue)] }
    }

    var heads: LaneHeads {
        var heads = LaneHeads()
        for lane in Lane.allCases { heads[lane] = self[lane].head }
        return heads
    }

    mutating func advance(now: UInt64, changes: inout [LaneChange]) {
        for index in lanes.indices { lanes[index].advance(now: now, changes: &changes) }
    }

    /// nil before the first birth.
    var memory: DeviceMemory? {
        run.map {
            DeviceMemory(
                issuer: issuer, keys: keys.map { $0.memory }, announced: announced, run: $0, connection: connection,
                heads: heads,
                journalFirst: audit.first, journal: audit.head, journalSeen: audit.seen,
                journalHole: audit.hole)
        }
    }
}
