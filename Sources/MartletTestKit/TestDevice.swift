// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletCommands
public import MartletEnvelope
internal import MartletJournal
public import MartletMessages
internal import MartletSenML
public import MartletSession
public import MartletState
public import MartletTelemetry

/// A whole device without network, disk and clock, with its back end and an operator. Everything follows from the
/// seed and from what the test does.
public final class TestDevice {
    /// What holds for all runs of a device.
    public struct Settings {
        public var clock = ManualClock()
        public var disk = SimulatedDisk(seed: 0)
        /// Batches are committed when they are closed, unless a test wants to wait.
        public var limits = {
            var limits = ReadingBatch.Limits()
            limits.age = 0
            return limits
        }()
        /// Bytes that the spools have on the disk, and those of a segment.
        public var spoolLimits = SpoolLimits()
        public var quotas = QuotaLimits()
        public var spoolSegment = 1 << 16
        public var commands: [CommandDeclaration] = []
        /// Milliseconds since 1970.
        public var buildTime: Int64 = 1_790_000_000_000
        /// Names the boot.
        public var bootID = Bytes16(InlineArray(repeating: 7))
        /// Of the engine; nil: the device's own.
        public var entropy: (any Entropy)?
        /// Whether keys are real ones.
        public var hasRealKeys = true
        /// A device with this fault does not know at its start what was used of its quotas.
        var forgetsUsage = false

        public init() {}
    }

    /// What ends with the program.
    public struct Run {
        public let link: RecordingLink
        public let owner: RecordingOwner
        /// In the order of the lanes' codes.
        public let spools: [Spool]
        public let state: DeviceState
        public let engine: Engine
    }

    /// A message of the device whose signature held.
    public struct Signed {
        public let leaf: Leaf
        public let envelope: Envelope
        public let payload: [UInt8]
        public let digest: Digest
    }

    public var settings: Settings
    public let topics: Topics
    /// The claim `iss` of the device's messages.
    public let name: [UInt8]
    public let key: TestKey
    public let gateway: TestController
    public let `operator`: TestController
    public var trust: TestTrust
    public let entropy: SeededEntropy
    /// The trust document that the configuration names; empty: none.
    public var document: [UInt8]
    public private(set) var run: Run
    public var batch: ReadingBatch

    /// Of the journal.
    public let keys: TestSegmentKeys
    private let sealer: EnvelopeSealer

    /// Starts the first run.
    public init(seed: UInt64, _ settings: Settings = Settings()) throws(TestKitError) {
        self.settings = settings
        entropy = SeededEntropy(seed: seed)
        let id = text("device-1")
        guard let topics = Topics(prefix: text("martlet/v1").span, device: id.span) else { throw .message }
        self.topics = topics
        name = text("urn:dev:ops:32473-device-1")
        key = try TestKey(seed: entropy.next(), isReal: settings.hasRealKeys)
        gateway = try TestController(
            name: text("urn:example:gateway"), role: .gateway, audience: name, seed: entropy.next(),
            hasRealKey: settings.hasRealKeys)
        self.operator = try TestController(
            name: text("urn:example:operator"), role: .operate, audience: name, seed: entropy.next(),
            hasRealKey: settings.hasRealKeys)
        trust = try TestTrust(deviceName: name, seed: entropy.next(), hasRealKeys: settings.hasRealKeys)
        document = try trust.message(
            trust.document([gateway, self.operator], commands: settings.commands.map { $0.name }))
        keys = try TestSegmentKeys(seed: entropy.next())
        sealer = key.sealer(name)
        batch = ReadingBatch(limits: settings.limits)
        run = try Self.start(
            settings, DeviceIdentity(id: id, name: name, chain: []), topics, entropy, sealer, trust, document, keys)
    }

    private static func start(
        _ settings: Settings, _ identity: DeviceIdentity, _ topics: Topics, _ entropy: SeededEntropy,
        _ sealer: EnvelopeSealer, _ trust: TestTrust, _ document: [UInt8], _ keys: TestSegmentKeys
    ) throws(TestKitError) -> Run {
        let now = settings.clock.sample
        let journal = Journal(
            storage: settings.disk, keys: keys, device: identity.id, stream: DeviceState.stream,
            segmentSize: DeviceState.segmentSize)
        guard let state = try? DeviceState(journal, hashing: trust.root.hashing) else { throw .engine }
        if settings.forgetsUsage { state.put(Usage(time: 0)) }
        let first = document.isEmpty ? nil : try trust.policy(document)
        let policy: TrustPolicy?
        do throws(Refusal) {
            policy = try TrustPolicy.inForce(stored: state.trust, origin: state.root, first: first, trust.root)
        } catch {
            throw .engine
        }
        let gate = CommandGate(root: trust.root, policy: policy, ledger: state.ledger, now: now.boot)
        for command in settings.commands { _ = gate.declare(command) }
        var spools: [Spool] = []
        for lane in Lane.allCases {
            let journal = Journal(
                storage: settings.disk, keys: keys, device: identity.id, stream: Spool.stream(lane),
                segmentSize: settings.spoolSegment, historySize: nil)
            guard let spool = try? Spool(journal) else { throw .engine }
            spools.append(spool)
        }
        let setup = Engine.Setup(
            identity: identity, sealer: sealer, gate: gate, entropy: settings.entropy ?? entropy, state: state,
            spools: spools, spoolLimits: settings.spoolLimits, topics: topics, batchLimits: settings.limits,
            quotas: settings.quotas, software: [],
            bootID: settings.bootID,
            buildTime: settings.buildTime)
        let (link, owner, disk) = (RecordingLink(), RecordingOwner(), settings.disk)
        link.hasPower = { !disk.isOff }
        owner.hasPower = { !disk.isOff }
        guard let engine = Engine(setup, link: link, owner: owner, now: now) else { throw .engine }
        return Run(link: link, owner: owner, spools: spools, state: state, engine: engine)
    }

    /// The program ends without a word, and another one starts with the same disk.
    public func restart() throws(TestKitError) {
        batch = ReadingBatch(limits: settings.limits)
        run = try Self.start(
            settings, DeviceIdentity(id: text("device-1"), name: name, chain: []), topics, entropy, sealer, trust,
            document, keys)
    }

    /// The power goes, if it has not gone, and comes back.
    public func cutPower(_ cut: SimulatedDisk.Cut = .random) throws(TestKitError) {
        settings.disk.restart(cut)
        try restart()
    }

    public var engine: Engine { run.engine }
    public var link: RecordingLink { run.link }
    public var owner: RecordingOwner { run.owner }
    public var disk: SimulatedDisk { settings.disk }
    public var now: TimeSample { settings.clock.sample }

    // MARK: Time

    public func wait(_ milliseconds: UInt64) {
        settings.clock.advance(milliseconds)
        engine.advance(now)
    }

    /// Waits until the engine is due. False if it is not.
    public func waitUntilDue() -> Bool {
        guard let due = engine.due else { return false }
        wait(due > settings.clock.boot ? due - settings.clock.boot : 0)
        return true
    }

    // MARK: The broker's side

    /// Connects, if the engine tries to, and confirms both subscriptions.
    public func connect(isProvisional: Bool = false) {
        if link.state == .closed { _ = waitUntilDue() }
        if link.state != .opening { return }
        accept(isProvisional: isProvisional)
        if !link.subscriptions.isEmpty { engine.subscribed(reasonCode: 1, now) }
    }

    /// CONNACK, without the subscriptions.
    public func accept(isProvisional: Bool = false) {
        link.didOpen()
        engine.connected(isProvisional: isProvisional, now)
    }

    public func disconnect() {
        link.didClose()
        engine.closed(LinkFailure("the test cut the connection"), now)
    }

    /// Answers the oldest message that waits for it; false if there is none.
    public func acknowledge(_ reasonCode: UInt8 = 0, at index: Int = 0) -> Bool {
        guard let message = link.takeUnacknowledged(at: index) else { return false }
        engine.acknowledged(id: message.id, reasonCode: reasonCode, now)
        return true
    }

    /// Takes everything that the device sends until it has nothing more.
    public func acknowledgeAll() {
        while acknowledge() {}
    }

    /// Delivers a message. Returns whether the device acknowledges it.
    public func deliver(_ message: [UInt8], as purpose: Purpose, isRetained: Bool = false) -> Bool {
        let topic = topics.topic(.signed(purpose))
        let mayAcknowledge = engine.received(topic: topic.span, payload: message.span, isRetained: isRetained, now)
        engine.advance(now)
        return mayAcknowledge
    }

    /// Answers the newest birth as the back end does. False if there is none.
    public func resume(time: UInt64? = nil, heads: LaneHeads = LaneHeads()) throws(TestKitError) -> Bool {
        guard let birth = newestBirth else { return false }
        let seconds = time ?? UInt64(clamping: settings.clock.system / 1000)
        return deliver(try gateway.resume(Resume(time: seconds, heads: heads), birth.challenge), as: .resume)
    }

    // MARK: What the device sent

    /// The signed message in what was published; nil if it is none, or not signed by this device for its topic.
    public func open(_ message: RecordingLink.Message) -> Signed? {
        guard let leaf = topics.leaf(of: message.topic.span), case .signed(let purpose) = leaf,
            let envelope = try? Envelope(decoding: message.payload.span)
        else { return nil }
        var structure = Envelope.makeStructure()
        guard name.isEqual(to: message.payload.span.extracting(envelope.issuer)),
            let digest = try? envelope.verify(
                message.payload.span, as: purpose, with: key.verifier, hashing: key.hashing, structure: &structure)
        else { return nil }
        return Signed(
            leaf: leaf, envelope: envelope, payload: [UInt8](message.payload[envelope.payload]), digest: digest)
    }

    /// All messages of one purpose that this run published, in order, resent ones again.
    public func sent(_ purpose: Purpose) -> [Signed] {
        let topic = topics.topic(.signed(purpose))
        return link.published.filter { $0.topic == topic }.compactMap { open($0) }
    }

    /// What the back end goes by; looks at no more messages than it must.
    public var newestBirth: Birth? {
        let topic = topics.topic(.signed(.birth))
        return link.published.last { $0.topic == topic }.flatMap { open($0) }.flatMap {
            try? Birth(decoding: $0.payload.span)
        }
    }

    public var births: [Birth] { sent(.birth).compactMap { try? Birth(decoding: $0.payload.span) } }
    public var receipts: [Receipt] { sent(.receipt).compactMap { try? Receipt(decoding: $0.payload.span) } }
    public var events: [Event] { sent(.event).compactMap { try? Event(decoding: $0.payload.span) } }
    public var gaps: [Gap] { sent(.gap).compactMap { try? Gap(decoding: $0.payload.span) } }

    // MARK: Telemetry

    /// Takes one number at this moment and closes the batch. False if the engine cannot close it now.
    public func report(_ value: Double, _ lane: Lane = .normal) -> Bool {
        let name = text("temperature")
        do throws(ReadingError) {
            try batch.append(name: name.span, unit: Span(), value: .number(value), time: now.boot)
        } catch {
            return false
        }
        let isClosed = engine.close(&batch, lane, now)
        engine.advance(now)
        return isClosed
    }
}
