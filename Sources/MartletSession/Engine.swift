// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCOSE
public import MartletCommands
internal import MartletEnvelope
public import MartletMessages
internal import MartletState
internal import MartletTelemetry

/// Who the device is.
public struct DeviceIdentity {
    /// Obeys `DeviceID`.
    public let id: [UInt8]
    /// The URN in its certificate: `iss` of what it sends, `aud` of what it takes.
    public let name: [UInt8]
    /// Its certificate and the intermediates above it, DER.
    public let chain: [[UInt8]]

    public init(id: [UInt8], name: [UInt8], chain: [[UInt8]]) {
        self.id = id
        self.name = name
        self.chain = chain
    }
}

/// A device's whole behaviour between the application and a link, without I/O: bytes, events and times go in; calls of
/// the link and of the owner come out. Everything happens on one thread. After events, call `advance`: it sends what
/// they gave rise to.
public final class Engine {
    /// Milliseconds from the begin of a connection attempt until CONNACK, and from there until both subscriptions
    /// are confirmed.
    public static let connectDeadline: UInt64 = 30_000
    /// Milliseconds that a broker may take to acknowledge a message.
    public static let acknowledgementDeadline: UInt64 = 60_000
    /// Places of the link's window that telemetry never takes: a birth, its presence, a receipt and an event.
    static let reservedPlaces = 4
    /// Places that are kept for alarms besides.
    static let alarmPlaces = 1
    /// Milliseconds between two events that count refusals.
    static let refusalInterval: UInt64 = 60_000
    /// Milliseconds that a change which nothing follows from may wait until it is made durable.
    static let flushInterval: UInt64 = 10_000
    /// Milliseconds until the next try, after the journal could not be written.
    static let flushRetry: UInt64 = 1000
    /// Milliseconds until the next try, after the spool could not be read.
    static let readRetry: UInt64 = 1000
    /// Milliseconds from the first audit entry that the back end does not have to the checkpoint that tells it.
    static let checkpointDelay: UInt64 = 5000
    /// Milliseconds between two checkpoints at the most.
    static let checkpointInterval: UInt64 = 24 * 3_600_000
    /// Milliseconds until the next one, if nobody listened, or a single entry was refused.
    static let checkpointPause: UInt64 = 10 * 60_000
    /// Milliseconds in which the budget of trust documents fills up again.
    static let trustPause: UInt64 = 10_000
    /// Seconds that time may be ahead of what is known at most: 30 years.
    static let maximumAbsence: Int64 = 30 * 31_556_952
    /// Audit entries that one checkpoint tells at most.
    static let checkpointSize = 64

    enum Phase {
        /// Not connected; the next attempt begins at this boot time. nil: stopped.
        case waiting(until: UInt64?)
        case opening(deadline: UInt64)
        case connected(since: UInt64)
    }

    /// What the broker has and has not acknowledged.
    enum Sent {
        case birth
        case presence
        case outbox(UInt64)
        case telemetry(Lane, UInt64)
    }

    let identity: DeviceIdentity
    let sealer: EnvelopeSealer
    let entropy: any Entropy
    let state: DeviceState
    let topics: Topics
    let link: any Link
    /// Outlives the engine by the contract of `init`; no input reaches that.
    unowned(unsafe) let owner: any EngineOwner
    let software: [Birth.Software]
    let bootID: Bytes16?
    public let gate: CommandGate

    var clock: DeviceClock
    var challenge: Challenge
    /// What births and entries say.
    var run: UInt64
    /// What the state says, or is about to: above `run` until a raise is durable.
    var raisedRun: UInt64
    /// The journal was damaged, and no resume of this run has come since.
    var isDamaged: Bool
    var connection: UInt64 = 0
    /// In the order of their codes, which is that of their urgency.
    var lanes: [TelemetryLane] = []
    let spoolLimits: SpoolLimits
    /// Boot time at which to look for readings that are too old; nil if they may become as old as they like.
    var ageDue: UInt64?
    /// How often envelopes became durable.
    public internal(set) var commits = 0
    /// Whether envelopes could not be made durable the last time.
    var isSpoolStuck = false
    var outbox = Outbox()
    var backoff = Backoff()
    var phase = Phase.waiting(until: 0)
    /// Oldest first, with the boot time at which each was sent.
    var inFlight: [(id: Int32, what: Sent, since: UInt64)] = []
    /// The link's server was accepted although its certificate is "not yet valid".
    var isProvisional = false
    var isResumed = false
    var isSubscribed = false
    var needsBirth = false
    var needsPresence = false
    /// Accepted commands whose handlers have not ended.
    var waiting = 0
    /// The broker does not take messages now: boot time at which to try again, and how long to wait then.
    var holdUntil: UInt64 = 0
    var holdSpan: UInt64 = 0
    /// nil: there is no limit.
    let quota: Quota?
    /// The link says that it can be opened: no quota of attempts holds it back.
    var isRetry = false
    /// Boot time from which on telemetry may go that waits for a quota, or for a disk that can be read; nil if none does.
    var telemetryDue: UInt64?
    var reportedRefusals = RefusalCounts()
    /// Lines of the log about refused messages, which anybody who can publish to the device could ask for.
    var refusalLines = TokenBucket(rate: 1, burst: 20, now: 0)
    var nextRefusalReport: UInt64 = 0
    var isStopping = false
    /// Boot time at which what waits in the state must be made durable; nil if nothing waits.
    var flushDue: UInt64?
    /// Boot time at which the next checkpoint is due.
    var checkpointDue: UInt64
    /// Whether one is on its way.
    var isCheckpointing = false
    /// Audit entries that one may have in this connection: fewer, once the broker refused so many.
    var checkpointLimit = Engine.checkpointSize
    /// The first of the entries that were given up since the last one that was told.
    var givenUpFrom: UInt64?
    /// Boot time until which nobody listens to them, or takes them.
    var checkpointPausedUntil: UInt64 = 0
    /// Whose acceptance could not be made durable the last time.
    var unrecorded: CommandKey?
    /// Accepted by an earlier run; what becomes of them is decided when the back end resumes this run.
    var unfinished: [Ledger.Entry] = []
    /// What a resume of this run asked for.
    var leastTrustVersion: UInt64 = 0
    /// A trust document that could not be made durable the last time.
    var unrecordedTrust: Digest?
    /// Boot time at which to ask again for trust documents, since some were dropped before they were verified.
    var trustDue: UInt64?
    /// Boot time from which on the next stale command is worth an audit entry.
    var nextStaleEntry: UInt64 = 0
    /// The places of the commands that the engine itself carries out.
    let suspend: Int?
    let activate: Int?
    /// What the link said it can never send, until the queues can be changed.
    var unsendable: [Sent] = []
    let telemetryTopic: [UInt8]

    /// nil if there is no entropy, or if the state cannot be saved: without it numbers would be used twice.
    ///
    /// The link and the owner must outlive the engine.
    public init?(_ setup: Setup, link: any Link, owner: any EngineOwner, now: TimeSample) {
        guard let challenge = Challenge(setup.entropy, now: now.boot) else { return nil }
        state = setup.state
        let previous = state.run
        // Without a saved state, time keeps the numbers above those of any earlier life of this device.
        let origin = UInt64(clamping: max(now.system, setup.buildTime) / 1000)
        var run = previous.map { $0.run + 1 } ?? origin
        if state.damage > 0 { run = max(run &+ DeviceState.damageMargin, origin) }
        self.run = run
        raisedRun = run
        isDamaged = state.damage > 0
        spoolLimits = setup.spoolLimits
        ageDue = spoolLimits.age > 0 ? now.boot : nil
        for (spool, lane) in zip(setup.spools, Lane.allCases) {
            let previous = previous?.lanes[Int(lane.rawValue)]
            var reserved = previous?.next ?? origin
            // The newest numbers may be what was damaged.
            if state.damage > 0 { reserved = max(reserved &+ DeviceState.damageMargin, origin) }
            lanes.append(
                TelemetryLane(
                    lane: lane, spool: spool, least: previous?.least ?? 0, reserved: reserved,
                    gaps: GapList(previous?.gaps ?? []),
                    limits: setup.batchLimits, spoolLimits: spoolLimits))
        }
        identity = setup.identity
        sealer = setup.sealer
        gate = setup.gate
        entropy = setup.entropy
        topics = setup.topics
        telemetryTopic = setup.topics.topic(.signed(.telemetry))
        software = setup.software
        bootID = setup.bootID
        clock = DeviceClock(buildTime: setup.buildTime, floor: state.floor)
        quota = Quota(
            setup.quotas, state.usage, time: UInt64(clamping: clock.lowerBound(now)), boot: now.boot)
        self.challenge = challenge
        self.link = link
        self.owner = owner
        suspend = Self.declare(Self.suspendName, gate)
        activate = Self.declare(Self.activateName, gate)
        checkpointDue = now.boot &+ Self.checkpointInterval
        guard begin(now) else { return nil }
    }

    private static var suspendName: StaticString { "suspend" }
    private static var activateName: StaticString { "activate" }

    /// Whether the engine itself carries out commands of this name.
    public static func isBuiltIn(_ name: [UInt8]) -> Bool {
        name.span.isEqual(to: suspendName) || name.span.isEqual(to: activateName)
    }

    /// nil if whoever made the gate has declared one of this name.
    private static func declare(_ name: StaticString, _ gate: CommandGate) -> Int? {
        let name = [UInt8](UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
        return CommandDeclaration(name: name, parameters: [], isIdempotent: true, isBuiltIn: true)
            .flatMap { gate.declare($0) }
    }

    // MARK: Time

    /// Boot time in milliseconds at which `advance` must be called again at the latest; nil: not before something
    /// happens.
    public var due: UInt64? {
        var due = UInt64.max
        switch phase {
        case .waiting(let until): due = until ?? .max
        case .opening(let deadline): due = deadline
        case .connected(let since):
            due = challenge.due
            if !isSubscribed { due = min(challenge.due, since &+ Self.connectDeadline) }
            if let trustDue { due = min(due, trustDue) }
            if holdUntil > 0, hasSomethingToSend { due = min(due, holdUntil) }
            if isSubscribed, let telemetryDue { due = min(due, max(telemetryDue, holdUntil)) }
            if mayCheckpoint { due = min(due, checkpointDue) }
            if let oldest = inFlight.first { due = min(due, oldest.since &+ Self.acknowledgementDeadline) }
        }
        if gate.refusals.total != reportedRefusals.total { due = min(due, nextRefusalReport) }
        if let flushDue { due = min(due, flushDue) }
        if let ageDue { due = min(due, ageDue) }
        if let saveDue = quota?.saveDue { due = min(due, saveDue) }
        for index in 0..<lanes.count {
            if let commitDue = lanes[index].commitDue { due = min(due, commitDue) }
        }
        return due == .max ? nil : due
    }

    /// Does everything that is due, and sends what can be sent.
    public func advance(_ now: TimeSample) {
        if challenge.advance(entropy, now: now.boot) { needsBirth = true }
        switch phase {
        case .waiting(let until):
            if let until, now.boot >= until {
                let hold = beginConnection(mustBegin: isRetry, now)
                isRetry = false
                if let hold { phase = .waiting(until: hold) } else { open(now) }
            }
        case .opening(let deadline):
            if now.boot >= deadline {
                link.abort()
                closed(LinkFailure("the server did not accept the connection in time"), now)
            }
        case .connected(let since):
            if !isSubscribed, now.boot >= since &+ Self.connectDeadline {
                link.abort()
                closed(LinkFailure("the server did not confirm the subscriptions in time"), now)
            } else if let oldest = inFlight.first, now.boot >= oldest.since &+ Self.acknowledgementDeadline {
                link.abort()
                closed(LinkFailure("the broker does not acknowledge what it is sent"), now)
            } else if let trustDue, now.boot >= trustDue {
                askForTrust()
            }
        }
        if gate.refusals.total != reportedRefusals.total, now.boot >= nextRefusalReport { reportRefusals(now) }
        if let floor = clock.floorToPersist(now) {
            state.put(floor: floor)
            clock.didPersist(floor)
        }
        tellUsage(now)
        commitWhenDue(now)
        flushWhenDue(now)
        if !state.hasPending { goOn(now) }
        sendCheckpoint(now)
        send(now)
        // What sending changed has its time too.
        flushWhenDue(now)
        state.settle()
    }

    // MARK: Commands

    /// A handler ended. Its outcome is made durable before its receipt is told.
    public func finished(_ key: CommandKey, _ outcome: Outcome, results: [CommandValue], _ now: TimeSample) {
        guard let entry = gate.finish(key, outcome, results: results) else { return }
        waiting -= 1
        log(.info) {
            $0.text("command ended: ")
            $0.text(outcome.text)
        }
        noteEnd(entry, now)
        flush(now)
    }

    // MARK: Ending

    /// From now on only what is queued is sent.
    public func beginStop() { isStopping = true }

    /// Saves what the next run must know and says goodbye. What is still spooled is sent by the next run.
    public func finishStop(_ now: TimeSample) {
        var wasClosed = false
        if case .waiting = phase { wasClosed = true }
        if case .connected = phase {
            let presence = Presence(isOnline: false, run: run, connection: connection)
            let payload = presence.encoded()
            // After a DISCONNECT the broker forgets the will, which says the same: one of the two must stay.
            if case .taken = link.publish(topics.topic(.presence), payload.span, retained: true) {
                count(bytes: payload.count, now)
                link.disconnect()
            } else {
                link.abort()
            }
        } else {
            link.abort()
        }
        phase = .waiting(until: nil)
        restoreInFlight()
        for index in lanes.indices { commit(index, now) }
        saveTime(now)
        // The numbers from here on belong to the next run.
        for index in lanes.indices { lanes[index].reservedUntil = lanes[index].next }
        state.put(runState)
        if !state.flush() { log(.error) { $0.text("the journal could not be written") } }
        if !wasClosed { owner.changed(.disconnected) }
    }

    // MARK: Saying things

    /// The claims that every message of the device has: what time it is, and how far to trust that.
    func stamp(_ purpose: Purpose, _ now: TimeSample) -> Claims {
        var claims = Claims(purpose: purpose)
        claims.clock = clock.state(now)
        if let offset = clock.wallClock(now) {
            claims.issuedAt = UInt64(clamping: (Int64(clamping: now.boot) &+ offset) / 1000)
        }
        claims.boot = bootID.map { BootTime(id: $0, milliseconds: now.boot) }
        return claims
    }

    func tell(_ event: Event, _ now: TimeSample) {
        if let payload = event.encoded() { post(.event, payload, claims: stamp(.event, now)) }
    }

    func answer(_ receipt: Receipt, _ now: TimeSample) {
        if let payload = receipt.encoded() { post(.receipt, payload, claims: stamp(.receipt, now)) }
    }

    /// Signs a message and queues it. False if it was not queued.
    @discardableResult
    func post(_ purpose: Purpose, _ payload: [UInt8], claims: Claims, _ content: Outbox.Content = .passing) -> Bool {
        var envelope: [UInt8] = []
        do throws(EnvelopeError) {
            _ = try sealer.seal(claims, contentType: ContentFormat.cbor, payload: payload.span, into: &envelope)
        } catch {
            log(.error) { $0.text("a message could not be signed") }
            return false
        }
        switch outbox.append(.signed(purpose), envelope, content) {
        case .asLast: return true
        case .insteadOfOldest:
            log(.warning) { $0.text("too many receipts and events wait: the oldest was dropped") }
            return true
        case .notAtAll:
            log(.warning) { $0.text("too many messages wait for the broker: a new one was dropped") }
            return false
        }
    }

    func log(_ level: LogLevel, _ build: (inout LogLine) -> Void) {
        if level > owner.logLevel { return }
        var line = LogLine()
        build(&line)
        owner.log(level, line)
    }
}
