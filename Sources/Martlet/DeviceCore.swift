// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletINI
internal import MartletMessages
internal import MartletOpenSSL
internal import MartletPosix
internal import MartletSenML
internal import MartletSession
internal import MartletState
internal import MartletTelemetry

/// What the application's threads and those of the library share.
///
/// `shared` is for everybody. Everything else that changes belongs to the network thread once it runs, and to
/// whoever calls `declare` and `start` before.
final class DeviceCore: @unchecked Sendable {
    private struct Shared {
        var phase = Phase.new
        var status = Device.Status()
        var logLevel: LogLevel
        var changed: (@Sendable (ConnectionState) -> Void)?
        var thread: Thread?
    }

    private enum Phase {
        case new
        case starting
        case running
        /// Boot time in milliseconds until which what waits may still be sent, and the thread that waits for that.
        case stopping(until: UInt64, by: UInt)
        case stopped
    }

    private let shared: Guarded<Shared>
    private let waiter: Waiter
    private let intake: Intake
    private let handlers: CallQueue
    private let logger: Device.Log?
    private let setup: Engine.Setup
    private let directory: StateDirectory
    private let link: any DrivenLink
    /// What to say of sections that are the program's, or misspelt.
    private let foreign: LogLine
    private var engine: Engine?
    init(
        _ configuration: Configuration, program: Birth.Software?, https: HTTPSSupport? = nil, logLevel: LogLevel,
        log: Device.Log?, patience: UInt64 = CallQueue.patience
    ) throws(MartletError) {
        let hashing: OpenSSLHashing
        do throws(OpenSSLError) { hashing = try OpenSSLHashing() } catch {
            throw MartletError(.system, "OpenSSL has no SHA-256")
        }
        let identity = try Identity(configuration, hashing: hashing)
        do throws(PosixError) { waiter = try Waiter() } catch {
            throw MartletError(.system, file: "eventfd", error)
        }
        link = try Self.link(configuration, identity, waiter, https)
        foreign = configuration.foreign
        let (prefix, id) = (configuration.prefix, configuration.id)
        guard let topics = Topics(prefix: prefix.span, device: id.span) else {
            throw MartletError(.configuration, "the topic prefix or the device id is not valid")
        }
        directory = try StateDirectory(configuration, hashing: hashing)
        var software = [Birth.Software("martlet", MartletVersion.string)]
        if let program {
            if !program.isSayable {
                throw MartletError(.argument, "the program's name and version have at most 32 bytes of UTF-8 each")
            }
            software.append(program)
        }
        let publicKey = identity.key.publicKey.spki
        let policy = try Self.policy(directory.state, identity)
        setup = Engine.Setup(
            identity: identity.device,
            sealer: EnvelopeSealer(
                issuer: identity.device.name, publicKey: publicKey.span,
                signer: KeySigner(identity.key), hashing: hashing),
            gate: CommandGate(
                root: identity.root, policy: policy, ledger: directory.state.ledger,
                now: SystemClock.bootMilliseconds()),
            entropy: SystemEntropy(), state: directory.state, spools: directory.spools,
            spoolLimits: configuration.spool, topics: topics, batchLimits: configuration.batch,
            quotas: configuration.quotas, software: software,
            bootID: SystemClock.bootID().map { Bytes16($0) }, buildTime: MartletVersion.buildTime)
        handlers = CallQueue(waiter: waiter, patience: patience)
        logger = log
        intake = Intake(configuration.batch, waiter: waiter)
        shared = Guarded(Shared(logLevel: logLevel))
    }

    private static func link(
        _ configuration: Configuration, _ identity: Identity, _ waiter: Waiter, _ https: HTTPSSupport?
    ) throws(MartletError) -> any DrivenLink {
        var broker: MosquittoLink?
        if !configuration.host.isEmpty {
            let tls = try identity.tls(
                for: configuration.host, configuration.anchors, identity.anchors, configuration)
            broker = MosquittoLink(configuration, tls: tls, waiter: waiter)
        }
        if let section = configuration.https {
            guard let https else {
                throw configuration.fault(section.line) { $0.text("this program was built without HTTPS") }
            }
            return try https.link(configuration, identity, waiter, broker)
        }
        guard let broker else { throw MartletError(.configuration, "no broker") }
        return broker
    }

    private static func policy(_ state: DeviceState, _ identity: Identity) throws(MartletError) -> TrustPolicy? {
        do throws(Refusal) {
            return try TrustPolicy.inForce(
                stored: state.trust, origin: state.root, first: identity.policy, identity.root)
        } catch {
            throw MartletError(.state) {
                $0.text("the trust document in the state directory is not for this device (")
                $0.text(error.text)
                $0.text("): clear the directory if the device has got a new identity")
            }
        }
    }

    // MARK: For any thread

    func declare(
        _ name: String, _ parameters: [Parameter], isIdempotent: Bool = false, _ handler: @escaping Handler
    ) throws(MartletError) {
        try requireNew()
        let fault: StaticString
        if parameters.count > Command.maximumArguments {
            fault = "a command has at most 8 parameters"
        } else if Engine.isBuiltIn(name.bytes) {
            fault = "suspend and activate are the library's own"
        } else if let declaration = CommandDeclaration(
            name: name.bytes, parameters: parameters, isIdempotent: isIdempotent)
        {
            if setup.gate.declare(declaration) != nil { return handlers.add(handler) }
            fault = "the command is declared already"
        } else {
            fault = "a command name is a lower-case letter, then at most 31 of a-z, 0-9 and -"
        }
        throw MartletError(.argument) { $0.text(fault) }
    }

    func descriptor() throws(MartletError) -> Int32 { try handlers.descriptor() }

    func dispatch() throws(MartletError) { try handlers.dispatch() }

    func start() throws(MartletError) {
        let wasNew = shared.with { shared in
            guard case .new = shared.phase else { return false }
            shared.phase = .starting
            return true
        }
        if !wasNew { throw Self.notNew }
        if !foreign.bytes.isEmpty, logLevel >= .info { log(.info, foreign) }
        guard let engine = Engine(setup, link: link, owner: self, now: .now()) else {
            handlers.end()
            end()
            throw MartletError(
                .state, "the device's state cannot be saved, or there is no randomness: is the disk full or read-only?")
        }
        self.engine = engine
        link.engine = engine
        let isRunning: Bool
        do throws(PosixError) {
            try handlers.start()
            // The new thread's first step waits for the lock: whoever stops the device from it finds it here.
            isRunning = try shared.with { (shared) throws(PosixError) -> Bool in
                guard case .starting = shared.phase else { return false }
                intake.start()
                shared.thread = try Thread { self.run() }
                shared.phase = .running
                return true
            }
        } catch {
            handlers.end()
            end()
            throw MartletError(.system, file: "thread", error)
        }
        if !isRunning {
            handlers.end()
            end()
            throw MartletError(.wrongState, "the device was stopped while it started")
        }
    }

    private static var notNew: MartletError { MartletError(.wrongState, "the device was started or stopped already") }

    private func requireNew() throws(MartletError) {
        let isNew = shared.with { if case .new = $0.phase { true } else { false } }
        if !isNew { throw Self.notNew }
    }

    /// The last step of whoever has the engine.
    private func end() {
        finish()
        directory.unlock()
    }

    private func finish() {
        link.engine = nil
        engine = nil
        shared.with { $0.phase = .stopped }
        intake.end()
    }

    func report(
        _ name: String, _ value: borrowing SenMLRecord.Value, _ unit: Unit, _ lane: Lane, _ durable: Bool
    ) throws(MartletError) {
        let symbol = Span(_unsafeStart: unit.symbol.utf8Start, count: unit.symbol.utf8CodeUnitCount)
        let value = copy value
        var failure: MartletError?
        name.withBytes { name in
            do throws(MartletError) { try report(name, value, symbol, lane, durable) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    func report(
        _ name: Span<UInt8>, _ value: borrowing SenMLRecord.Value, _ unit: Span<UInt8>, _ lane: Lane, _ durable: Bool
    ) throws(MartletError) {
        try intake.report(name, value, unit, lane, durable: durable)
    }

    var status: Device.Status {
        var status = shared.with { $0.status }
        status.droppedReadings = intake.dropped
        return status
    }

    func setLogLevel(_ level: LogLevel) { shared.with { $0.logLevel = level } }

    func onConnectionChange(_ body: @escaping @Sendable (ConnectionState) -> Void) {
        shared.with { $0.changed = body }
    }

    func stop(flushing seconds: UInt32) {
        let until = SystemClock.bootMilliseconds() &+ UInt64(seconds) * 1000
        // Before the phase changes: what was taken is closed by the thread that sees the change.
        intake.finish()
        var wasNew = false
        let thread = shared.with { shared -> Thread? in
            switch shared.phase {
            case .new:
                shared.phase = .stopped
                wasNew = true
            // `start` finds it and gives up.
            case .starting: shared.phase = .stopped
            case .running: shared.phase = .stopping(until: until, by: Thread.current)
            case .stopping, .stopped: break
            }
            let thread = shared.thread
            shared.thread = nil
            return thread
        }
        if wasNew {
            handlers.end()
            directory.unlock()
        }
        guard let thread else { return }
        let isOwn = thread.isCurrent
        waiter.wake()
        thread.join()
        handlers.end()
        // The network thread has yet to flush: it unlocks when nothing is written any more.
        if !isOwn { directory.unlock() }
    }

    // MARK: The network thread

    private func run() {
        guard let engine else { return }
        var deadline: UInt64?
        var stopper: UInt = 0
        intake.begin()
        while true {
            let now = TimeSample.now()
            if case .stopping(let until, let thread) = shared.with({ $0.phase }), deadline == nil {
                deadline = until
                stopper = thread
                engine.beginStop()
            }
            // After the look at the phase: what ended before `stop` is told.
            let calls = handlers.advance(now.boot)
            for finished in calls.finished {
                engine.finished(finished.key, finished.outcome, results: finished.results, now)
            }
            intake.close(engine, now, all: deadline != nil)
            engine.advance(now)
            intake.tellDurable(engine)
            updateStatus(engine)
            // Handlers may end, and be told, as long as there is time.
            if let deadline, isDone(engine) && !handlers.isBusy(without: stopper) || now.boot >= deadline { break }
            wait(until: min(min(engine.due ?? .max, calls.due), intake.due, deadline ?? .max))
        }
        intake.close(engine, .now(), all: true)
        engine.finishStop(.now())
        intake.tellDurable(engine)
        // The farewell leaves, or it does not in this time.
        let last = SystemClock.bootMilliseconds() &+ link.farewell
        while link.isOpen, SystemClock.bootMilliseconds() < last { wait(until: last) }
        link.abort()
        link.end()
        updateStatus(engine)
        finish()
        // Anybody else who stops it waits for the handlers, and then lets the directory go.
        if stopper == Thread.current { directory.unlock() }
    }

    /// Waits for the link, for a wake-up, or until this boot time.
    private func wait(until end: UInt64) {
        let due = min(end, link.due ?? .max)
        let now = SystemClock.bootMilliseconds()
        let ready = waiter.wait(
            socket: link.descriptor, writing: link.wantsWrite,
            milliseconds: due == .max ? nil : due > now ? due - now : 0)
        link.drive(readable: ready.readable, writable: ready.writable, now: SystemClock.bootMilliseconds())
    }

    private func isDone(_ engine: Engine) -> Bool {
        let isOnline = shared.with { $0.status.connection == .connected }
        return !isOnline || engine.backlog == 0 && intake.isEmpty
    }

    private func updateStatus(_ engine: Engine) {
        shared.with {
            $0.status.waitingMessages = engine.backlog
            $0.status.refusedMessages = engine.gate.refusals.total
        }
    }
}

extension DeviceCore: EngineOwner {
    var logLevel: LogLevel { shared.with { logger == nil ? .error : $0.logLevel } }

    func log(_ level: LogLevel, _ line: LogLine) { logger?(level, line.string) }

    func execute(_ command: AcceptedCommand) { handlers.enqueue(command) }

    func reconsider(_ allows: (AcceptedCommand) -> Bool) { handlers.reconsider(allows) }

    func changed(_ state: ConnectionState) {
        let body = shared.with { shared in
            shared.status.connection = state
            return shared.changed
        }
        body?(state)
    }
}

extension Birth.Software {
    init(_ name: StaticString, _ version: StaticString) {
        self.init(
            name: [UInt8](UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)),
            version: [UInt8](UnsafeBufferPointer(start: version.utf8Start, count: version.utf8CodeUnitCount)))
    }
}
