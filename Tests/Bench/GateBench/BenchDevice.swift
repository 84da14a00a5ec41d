// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletAdapters
import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletJournal
import MartletMessages
import MartletOpenSSL
import MartletPosix
import MartletSession
import MartletState
import MartletTelemetry
import MartletTestKit

/// A connected device without a network, whose state is on the disk.
final class BenchDevice {
    /// Instructions that the accepted commands took, if somebody counts them.
    private(set) var steps: Double = 0
    private(set) var mostSyncs = 0
    private(set) var mostWrites = 0

    /// Bytes that the spools may have together, as a device has by default.
    private static let spoolLimit = 16 << 20

    let storage: CountingStorage
    let engine: Engine
    let limits: ReadingBatch.Limits
    var clock = ManualClock()
    private let party: CommandParty
    private let topics: Topics
    private let topic: [UInt8]
    private let link = RecordingLink()
    private let owner = RecordingOwner()

    init(_ path: String, _ party: CommandParty, _ limits: ReadingBatch.Limits = .init()) throws(BenchError) {
        self.limits = limits
        self.party = party
        owner.logLevel = .info
        let id = bytes("device-1")
        guard let topics = Topics(prefix: bytes("martlet/v1").span, device: id.span) else { throw BenchError() }
        self.topics = topics
        topic = topics.topic(.signed(.command))
        let (storage, journal, spools) = try Self.journals(path, id)
        self.storage = storage
        let hashing = party.trust.root.hashing
        guard let state = try? DeviceState(journal, hashing: hashing) else { throw BenchError() }
        let gate = CommandGate(root: party.trust.root, policy: party.policy, ledger: state.ledger, now: clock.boot)
        guard
            let declaration = CommandDeclaration(name: CommandParty.command.name, parameters: [.integer(1...3600)]),
            gate.declare(declaration) != nil, let key = try? TestKey(seed: 6)
        else { throw BenchError() }
        var spoolLimits = SpoolLimits()
        spoolLimits.bytes = Self.spoolLimit
        let setup = Engine.Setup(
            identity: DeviceIdentity(id: id, name: CommandParty.deviceName, chain: []),
            sealer: key.sealer(CommandParty.deviceName), gate: gate, entropy: SystemEntropy(), state: state,
            spools: spools, spoolLimits: spoolLimits, topics: topics, batchLimits: limits,
            quotas: QuotaLimits(), software: [],
            bootID: Bytes16(InlineArray(repeating: 1)), buildTime: clock.system)
        guard let engine = Engine(setup, link: link, owner: owner, now: clock.sample) else { throw BenchError() }
        self.engine = engine
        try connect()
    }

    private static func journals(
        _ path: String, _ id: [UInt8]
    ) throws(BenchError) -> (CountingStorage, Journal, [Spool]) {
        let directory: PrivateDirectory
        let master: [UInt8]
        do throws(PosixError) {
            directory = try PrivateDirectory(creating: path)
            master = try MasterKey.open(directory)
        } catch {
            throw BenchError()
        }
        guard let keys = try? OpenSSLSegmentKeys(master: master.span) else { throw BenchError() }
        let storage = CountingStorage(DirectoryStorage(directory))
        let journal = Journal(
            storage: storage, keys: keys, device: id, stream: DeviceState.stream, segmentSize: DeviceState.segmentSize)
        var spools: [Spool] = []
        for lane in Lane.allCases {
            let journal = Journal(
                storage: storage, keys: keys, device: id, stream: Spool.stream(lane),
                segmentSize: Spool.segmentSize(spoolLimit), historySize: nil)
            guard let spool = try? Spool(journal) else { throw BenchError() }
            spools.append(spool)
        }
        return (storage, journal, spools)
    }

    private func connect() throws(BenchError) {
        engine.advance(clock.sample)
        link.didOpen()
        engine.connected(isProvisional: false, clock.sample)
        engine.subscribed(reasonCode: 1, clock.sample)
        goOn()
        let resume = Resume(time: UInt64(clamping: clock.system / 1000))
        let challenge = try challenge()
        guard let message = try? party.gateway.resume(resume, challenge) else { throw BenchError() }
        let topic = topics.topic(.signed(.resume))
        _ = engine.received(topic: topic.span, payload: message.span, isRetained: false, clock.sample)
    }

    /// What the newest birth says.
    private func challenge() throws(BenchError) -> Bytes16 {
        let topic = topics.topic(.signed(.birth))
        guard let birth = link.published.last(where: { $0.topic == topic })?.payload,
            let envelope = try? Envelope(decoding: birth.span),
            let content = try? Birth(decoding: birth.span.extracting(envelope.payload))
        else { throw BenchError() }
        return content.challenge
    }

    /// Half a second, so that no budget ends, in which the broker acknowledges everything.
    func goOn() {
        clock.advance(500)
        engine.advance(clock.sample)
        while let message = link.takeUnacknowledged() {
            engine.acknowledged(id: message.id, reasonCode: 0, clock.sample)
            engine.advance(clock.sample)
        }
    }

    func command(
        by signer: CommandParty.Signer = .operator, for audience: CommandParty.Audience = .device
    ) throws(BenchError) -> [UInt8] { try party.sign(try challenge(), by: signer, for: audience) }

    // MARK: What is measured

    private func receive(_ message: [UInt8]) -> Bool {
        let topic = topic
        return engine.received(topic: topic.span, payload: message.span, isRetained: false, clock.sample)
    }

    /// The function to count.
    @inline(never)
    private func receivesMessage(_ message: [UInt8]) -> Bool { receive(message) }

    private func measure(_ message: [UInt8]) -> Bool {
        (storage.syncs, storage.writes) = (0, 0)
        measure_steps_begin()
        let mayBeAcknowledged = receivesMessage(message)
        steps += measure_steps_end()
        mostSyncs = max(mostSyncs, storage.syncs)
        mostWrites = max(mostWrites, storage.writes)
        return mayBeAcknowledged
    }

    /// The handler of the newest command runs, and ends.
    private func handle(_ count: Int) throws(BenchError) {
        guard owner.commands.count == count, let command = owner.commands.last else { throw BenchError() }
        engine.finished(command.key, .done, results: [], clock.sample)
        goOn()
    }

    /// Accepts a command; gives its message.
    func accept() throws(BenchError) -> [UInt8] {
        let message = try command()
        let before = owner.commands.count
        guard receive(message) else { throw BenchError() }
        try handle(before + 1)
        return message
    }

    /// Accepts so many, while the ledger is full, and none of them begins a segment, which holds more. `signed` gets the
    /// operator's key and what it signed.
    func accept(_ count: Int, _ signed: (Span<UInt8>) -> Void) throws(BenchError) {
        for _ in 0..<Ledger.capacity { _ = try accept() }
        let created = storage.created
        while storage.created == created { _ = try accept() }
        // RFC 8410 section 4: the key is the end of its DER.
        signed([UInt8](party.publicKey.suffix(32)).span)
        for _ in 0..<count {
            let before = owner.commands.count
            let message = try command()
            let size = party.signedBytes.count
            signed((party.signature + [UInt8(size >> 8), UInt8(size & 0xff)] + party.signedBytes).span)
            guard measure(message) else { throw BenchError() }
            try handle(before + 1)
        }
    }

    func refuse(_ message: [UInt8], _ count: Int, _ refusal: Refusal) throws(BenchError) {
        let before = engine.gate.refusals[refusal]
        for _ in 0..<count {
            _ = measure(message)
            goOn()
        }
        guard engine.gate.refusals[refusal] == before + UInt64(count) else { throw BenchError() }
    }
}
