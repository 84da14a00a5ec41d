// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletSession
internal import MartletState
internal import MartletTelemetry

/// A device in any weather: its disk, its power, its clocks, a broker, a back end and an attacker, all driven by one
/// seed, and books that say what must never be. The same seed does the same again.
public final class SimulatedWorld {
    /// Which faults there are.
    struct Weather {
        var cutsPower = true
        var losesState = true
        var failsDisk = true
        var movesClocks = true
        var attacks = true
        var breaksNetwork = true
        /// Readings come faster than they are sent.
        var fillsSpool = true
        /// Few readings may wait, for a short time.
        var limits = true
        var hasQuotas = true
        /// More waits for one write to the disk.
        var commitsMore = true

        init(_ random: SeededEntropy) {
            cutsPower = !random.oneIn(4)
            losesState = random.oneIn(3)
            failsDisk = random.oneIn(4)
            movesClocks = random.oneIn(2)
            attacks = !random.oneIn(4)
            breaksNetwork = !random.oneIn(5)
            fillsSpool = random.oneIn(6)
            limits = random.oneIn(4)
            hasQuotas = random.oneIn(4)
            commitsMore = random.oneIn(4)
        }
    }

    /// A command on its way through its handler.
    final class Handling {
        let accepted: AcceptedCommand
        let order: SimulatedOrder
        var hasBegun = false

        init(_ accepted: AcceptedCommand, _ order: SimulatedOrder) {
            self.accepted = accepted
            self.order = order
        }
    }

    /// Steps before the storm ends.
    static let steps = 260
    static let spoolLimit = 49_152
    static let spoolReadings: UInt64 = 60

    let seed: UInt64
    let twin: SimulatedTwin?
    let random: SeededEntropy
    let weather: Weather
    let device: TestDevice
    /// Bytes of a segment of the spools: twice what waits for one write.
    let spoolSegment: Int
    let disk: SimulatedDisk
    let second: TestController
    let intruder: TestController
    let broker = SimulatedBroker()
    let books = SimulatedBooks()
    let quota: SimulatedQuota
    let telemetryTopic: [UInt8]
    let backEnd: SimulatedBackEnd
    let pulse: CommandDeclaration
    let set: CommandDeclaration
    /// The library's own commands.
    let own = [text("suspend"), text("activate")]

    var handlings: [Handling] = []
    /// How many calls of handlers and messages of the present run were looked at.
    var seenCalls = 0
    var seenMessages = 0
    var seenLines = 0
    /// What went to the device before: an attacker has it all.
    var recorded: [DownMessage] = []
    /// Copies of the disk.
    var images: [SimulatedDisk.Image] = []
    /// The message that is being delivered, unless it is an answer to a birth.
    var delivered: (signing: SimulatedSigning?, isRetained: Bool)?
    /// Milliseconds since 1970 at which the device's boot time was 0.
    var bootOrigin: Int64
    /// A sensor reports at this moment.
    var isReporting = false
    /// Of what the twin `lateSignature` sent, by lane.
    var lastNumbers = [UInt64?](repeating: nil, count: Lane.allCases.count)
    /// The storm is over.
    var isCalm = false
    /// Hears what happens, for people.
    var listener: (([UInt8]) -> Void)?

    /// - Parameter twin: a fault of the device that the run is to find.
    public init(seed: UInt64, twin: SimulatedTwin? = nil) throws(TestKitError) {
        self.seed = seed
        self.twin = twin
        random = SeededEntropy(seed: seed)
        weather = Weather(random)
        disk = SimulatedDisk(seed: random.next())
        disk.syncsContent = twin != .noSync
        guard let pulse = CommandDeclaration(name: text("pulse"), parameters: [.integer(0...99)]),
            let set = CommandDeclaration(name: text("set"), parameters: [.integer(0...99)], isIdempotent: true)
        else { throw .message }
        self.pulse = pulse
        self.set = set
        var settings = TestDevice.Settings()
        settings.disk = disk
        settings.commands = [pulse, set]
        settings.hasRealKeys = Self.hasRealKeys(seed)
        settings.spoolLimits.bytes = Self.spoolLimit
        if weather.commitsMore { settings.spoolLimits.commitSize = 8192 }
        spoolSegment = 2 * settings.spoolLimits.commitSize
        settings.spoolSegment = spoolSegment
        if weather.limits {
            settings.spoolLimits.readings = Self.spoolReadings
            settings.spoolLimits.age = 900
            books.reasons.append(.age)
        }
        if weather.hasQuotas { settings.quotas = Self.quotas(random) }
        quota = SimulatedQuota(settings.quotas)
        if quota.hasBytes { books.reasons.append(.quota) }
        settings.forgetsUsage = twin == .forgetfulQuota
        settings.limits.age = 10_000
        settings.limits.bytes = 2048
        settings.bootID = random.bytes16()
        settings.entropy = twin?.entropy(seed: seed, life: 0)
        bootOrigin = settings.clock.system - Int64(settings.clock.boot)
        device = try TestDevice(seed: random.next(), settings)
        telemetryTopic = device.topics.topic(.signed(.telemetry))
        second = try TestController(
            name: text("urn:example:second"), role: .operate, audience: device.name, seed: random.next(),
            hasRealKey: settings.hasRealKeys)
        intruder = try TestController(
            name: text("urn:example:intruder"), role: .operate, audience: device.name, seed: random.next(),
            hasRealKey: settings.hasRealKeys)
        backEnd = SimulatedBackEnd(device, books, commands: [pulse.name, set.name])
        didStart()
    }

    /// What must not be, and is; nil if there is nothing.
    public var problem: [UInt8]? { books.problem }
    public var totals: SimulationTotals { books.totals }

    /// Lets it storm, waits until it is calm, and looks whether everything came to a good end.
    ///
    /// - Parameter listener: hears what happens, line by line.
    public func run(_ listener: (([UInt8]) -> Void)? = nil) throws(TestKitError) {
        self.listener = listener
        var step = 0
        while step < Self.steps, problem == nil {
            try self.step()
            step += 1
        }
        if problem == nil { try settle() }
        books.totals.add(device.engine.gate.refusals)
    }

    /// Ed25519 is most of what a device costs: one in 16 has it.
    private static func hasRealKeys(_ seed: UInt64) -> Bool { seed % 16 == 0 }

    /// Milliseconds since 1970: the time that it really is.
    var time: Int64 { bootOrigin + Int64(clamping: device.settings.clock.boot) }

    var now: TimeSample { device.now }

    func below(_ bound: Int) -> Int { Int(random.below(UInt64(max(0, bound)))) }

    func say(_ line: StaticString, _ numbers: UInt64...) {
        guard let listener else { return }
        var text = LogLine()
        text.number(UInt64(clamping: time / 1000 % 100_000_000))
        text.text("  run ")
        text.number(UInt64(books.life))
        text.text("  ")
        text.text(line)
        for number in numbers {
            text.text(" ")
            text.number(number)
        }
        listener(text.bytes)
    }

    // MARK: Steps

    private func step() throws(TestKitError) {
        if device.link.state != .open, random.oneIn(2) { connect() }
        if weather.fillsSpool, random.oneIn(8) { report() }
        switch random.below(100) {
        case 0..<16: carry()
        case 16..<28: answer()
        case 28..<42: try backEndTakes()
        case 42..<58: deliver()
        case 58..<66: try operate()
        case 66..<72: beginHandler()
        case 72..<79: endHandler()
        case 79..<86: pass()
        case 86..<89: if weather.attacks { try attack() }
        case 89..<92: if weather.breaksNetwork { breakNetwork() }
        case 92..<95: try disturbPower()
        case 95: if weather.movesClocks { stepClock() } else if weather.failsDisk { failDisk() }
        case 96: try publishDocument()
        case 97: copyDisk()
        default: report()
        }
        try look()
    }

    /// Looks at what the device did; switches on again if its power went.
    func look() throws(TestKitError) {
        observe()
        if disk.isOff { try powerReturns() }
        judgeSpool()
        if device.link.violations > 0 { books.fail("the link was used without a connection") }
    }

    func connect() {
        if device.link.state == .open { return }
        say("connects")
        if device.link.state == .closed, let due = device.engine.due, due > now.boot { wait(due - now.boot) }
        device.connect(isProvisional: weather.movesClocks && random.oneIn(8))
    }

    /// Time passes, and the engine notices.
    func wait(_ milliseconds: UInt64) {
        device.settings.clock.advance(milliseconds)
        device.engine.advance(now)
    }

    private func pass() {
        switch random.below(12) {
        case 0: wait(random.below(Challenge.period))
        case 1:
            // Suspended: nothing happens until something arrives.
            device.settings.clock.advance(random.below(4 * Challenge.period))
            books.totals.count(.suspend)
            say("was suspended")
        case 2..<6: wait(random.below(20_000))
        default: if let due = device.engine.due { wait(min(60_000, due - min(due, now.boot))) }
        }
    }

    // MARK: The network

    /// A message of the device reaches the broker.
    private func carry() {
        let waiting = device.link.unacknowledged.filter { !broker.hasTaken($0.id) }
        if waiting.isEmpty { return }
        let index = weather.breaksNetwork && random.oneIn(4) ? below(waiting.count) : 0
        if index > 0 { books.totals.count(.reordering) }
        let codes: [UInt8] = [0x10, 0x87, 0x97]
        broker.take(waiting[index], code: weather.breaksNetwork && random.oneIn(15) ? codes[below(3)] : 0)
    }

    /// The broker acknowledges a message.
    func answer() {
        if broker.unanswered.isEmpty { return }
        let answer = broker.answer(at: weather.breaksNetwork && !isCalm ? below(broker.unanswered.count) : 0)
        guard let index = device.link.unacknowledged.firstIndex(where: { $0.id == answer.id }) else { return }
        _ = device.acknowledge(answer.code, at: index)
    }

    /// The back end takes a message, which may come again.
    private func backEndTakes() throws(TestKitError) {
        if broker.inbox.isEmpty { return }
        let index = weather.breaksNetwork && random.oneIn(4) ? below(broker.inbox.count) : 0
        if weather.breaksNetwork, random.oneIn(10) {
            broker.repeatMessage(at: index)
            books.totals.count(.duplicate)
        }
        try take(broker.give(at: index))
    }

    func take(_ message: RecordingLink.Message) throws(TestKitError) {
        for message in try backEnd.take(message, time: UInt64(time / 1000)) {
            say("answer to a birth, purpose", UInt64(message.purpose.rawValue))
            send(message)
        }
    }

    func send(_ message: DownMessage) {
        recorded.append(message)
        broker.send(message)
    }

    /// A message reaches the device.
    private func deliver() {
        if broker.session.isEmpty || device.link.state != .open || device.link.subscriptions.isEmpty { return }
        let index = weather.breaksNetwork && random.oneIn(4) ? below(broker.session.count) : 0
        if index > 0 { books.totals.count(.reordering) }
        let message = broker.session[index]
        let isAcknowledged = give(message, isRetained: false)
        if !isAcknowledged {
            breakConnection()
        } else if weather.breaksNetwork, random.oneIn(6) {
            // It will come again.
            books.totals.count(.lostAcknowledgement)
        } else if !disk.isOff {
            broker.drop(at: index)
        }
    }

    /// Delivers a message. Whether the device acknowledges it.
    func give(_ message: DownMessage, isRetained: Bool) -> Bool {
        observe()
        // What an answer to a birth starts was accepted before.
        delivered = message.purpose == .resume ? nil : (message.signing, isRetained)
        let wasSuspended = device.run.state.isSuspended
        let topic = device.topics.topic(.signed(message.purpose))
        let bytes = message.bytes
        say("message for the device, purpose", UInt64(message.purpose.rawValue))
        let isAcknowledged = device.engine.received(topic: topic.span, payload: bytes.span, isRetained: isRetained, now)
        observe()
        obeys(wasSuspended: wasSuspended)
        delivered = nil
        device.engine.advance(now)
        observe()
        if let signing = message.signing, disk.isOff { signing.order.mayBeAccepted = true }
        if let signing = message.signing { say("command delivered:", books.number(of: signing.order)) }
        if message.purpose == .trust, !disk.isOff { books.trustIs(device.engine.gate.trustVersion) }
        if message.purpose == .command, twin == .unconsumedVerdict {
            let nobody = CommandKey(controller: KeyID(0), id: Bytes16(InlineArray(repeating: 0)))
            device.engine.gate.withdraw(nobody, mayComeAgain: true)
        }
        return isAcknowledged
    }
}

func text(_ text: StaticString) -> [UInt8] {
    [UInt8](UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
}
