// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Logging
import MartletController

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts broker, registrar and HTTPS endpoint, answers the devices, and shows what they say.",
        discussion: """
            On a terminal it is a table that changes; otherwise one JSON object a line, with the types birth, \
            presence, reading, verdict, gap, boot, event, receipt, audit, decommission, way, refused and registrar. What is said of the \
            gateway itself goes to standard error. SIGINT and SIGTERM end it, and what it started with it.

            The member key of a birth says whether the device announced the key that it goes on with. A way line says \
            by which way a device now comes: mqtt or https.

            Verdicts on a reading's place in its lane: linked (its predecessor is here), first (the device names \
            none), beginning (the first that this gateway has), waiting (the predecessor may still come), explained \
            (the predecessor is lost, and the device said so), hole (the predecessor is missing without a word), \
            duplicate, fork (the device's state was copied or rolled back), too-old.

            Verdicts on entries of the audit log: linked, beginning (older entries are not known), hole, \
            given-up (the device says itself that the entries of a hole were given up), fork, rolled-back, \
            broken; 'problem' says what is wrong.
            """)

    private static let maximumSeconds: UInt64 = 10 * 365 * 86_400

    @OptionGroup var directory: DirectoryOption

    @Option(help: "The broker's port; default: that of the last time, or a free one. It is kept in the file 'port'.")
    var port: UInt16?

    @Option(help: "The same of the registrar, in the file 'registrar-port'.")
    var estPort: UInt16?

    @Option(help: "The same of the HTTPS endpoint, in the file 'https-port'.")
    var httpsPort: UInt16?

    @Option(help: "The address that all listen on, besides 127.0.0.1; 0.0.0.0 for devices on all networks.")
    var listen = "127.0.0.1"

    @Flag(
        help: ArgumentHelp(
            "Let broker and registrar be found on the networks that they listen on (DNS-SD), as this machine's name below "
                + "local: through avahi-daemon where that runs."))
    var announce = false

    @Option(
        name: .customLong("for"), help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var seconds: UInt64?

    @Option(help: ArgumentHelp("Store each envelope as it came in this directory.", valueName: "dir"))
    var capture: String?

    @Flag(help: "Run the broker alone, for other programs.")
    var brokerOnly = false

    @Flag(help: "Start no registrar: no device can enrol or renew.")
    var noRegistrar = false

    @Flag(help: "Start no HTTPS endpoint. With --no-registrar, nginx is not needed.")
    var noHttps = false

    @Option(help: ArgumentHelp("How long certificates are valid that the registrar issues.", valueName: "days"))
    var certificateDays: Int64 = 90

    @Option(help: ArgumentHelp("Renew a certificate also so many days after its end.", valueName: "days"))
    var renewExpired: Int64 = 0

    @Option(
        help: ArgumentHelp(
            "Demand of each exchange also a token that the device's key signed for this audience ('jwt' of its [https]).",
            valueName: "audience"))
    var httpsToken: String?

    @Option(
        help: ArgumentHelp(
            "PEM certificates of authorities that certify devices at the factory: such a certificate, whose common name is "
                + "the id, is good for the enrolment of a device that was invited with --factory.", valueName: "file"))
    var factoryAuthority: String?

    @Flag(help: "A device that enrols needs its factory certificate beside its token.")
    var twoFactors = false

    @Flag(help: "Write JSON lines also on a terminal.")
    var json = false

    func validate() throws {
        if port == 0 { throw ValidationError("--port is from 1 to 65535; without it, a free one is found.") }
        try ListenAddress.validate(listen)
        if announce, ListenAddress.isLocal(listen) {
            throw ValidationError(
                "--announce needs --listen: 0.0.0.0, or an address by which devices reach this machine.")
        }
        if estPort == 0 { throw ValidationError("--est-port is from 1 to 65535; without it, a free one is found.") }
        if httpsPort == 0 { throw ValidationError("--https-port is from 1 to 65535; without it, a free one is found.") }
        if let estPort, estPort == httpsPort {
            throw ValidationError(
                "--est-port and --https-port are both \(estPort): registrar and endpoint need one each.")
        }
        if noRegistrar || brokerOnly, factoryAuthority != nil || twoFactors {
            throw ValidationError("--factory-authority and --two-factors are the registrar's, which is not to run.")
        }
        if noHttps || brokerOnly, httpsToken != nil {
            throw ValidationError("--https-token is the HTTPS endpoint's, which is not to run.")
        }
        guard (1...3650).contains(certificateDays) else { throw ValidationError("--certificate-days is 1 to 3650.") }
        guard (0...3650).contains(renewExpired) else { throw ValidationError("--renew-expired is 0 to 3650 days.") }
        if twoFactors && factoryAuthority == nil {
            throw ValidationError("--two-factors needs --factory-authority.")
        }
        if let seconds, seconds > Self.maximumSeconds {
            throw ValidationError("--for is at most \(Self.maximumSeconds) seconds, ten years.")
        }
    }

    func run() throws {
        let place = try directory.open()
        let lock = try at(place.place("run.lock")) { () throws(PosixError) in try place.files.lock("run.lock") }
        defer { withExtendedLifetime(lock) {} }
        try Registry(place).requireUnreserved()
        let signals = Signals()
        let broker = try Broker(place, listen: listen, port: port)
        defer { broker.stop() }
        log("the broker listens on \(listen):\(broker.port)")
        let events = RegistrarEvents()
        let bridge = noHttps || brokerOnly ? nil : ExchangeBridge()
        let server = try startServer(place, events, bridge)
        defer { server?.stop() }
        if let port = server?.registrarPort { log("the registrar listens on \(listen):\(port)") }
        if let port = server?.httpsPort { log("the HTTPS endpoint listens on \(listen):\(port)") }
        let announcement =
            try announce
            ? NetworkAnnouncement(listen: listen, broker: broker.port, registrar: server?.registrarPort) : nil
        defer { announcement?.stop() }
        let end = seconds.map { SystemClock.bootMilliseconds() + $0 * 1000 }
        let running = { () throws(Failure) in
            try broker.tend()
            try server?.requireRunning()
        }
        if brokerOnly {
            try signals.wait(until: end, while: running)
        } else {
            try receive(place, broker, events, bridge) { () throws(Failure) in
                try signals.wait(until: end, while: running)
            }
        }
    }

    /// nil if there is nothing to serve.
    private func startServer(
        _ place: GatewayDirectory, _ events: RegistrarEvents, _ bridge: ExchangeBridge?
    ) throws(Failure) -> WebServer? {
        var registrar: WebServer.Part<Registrar>?
        if !noRegistrar && !brokerOnly {
            var rules = Registrar.Rules(certificateDays: certificateDays, renewExpiredDays: renewExpired)
            if let factoryAuthority {
                rules.factory = try FactoryAuthority(file: factoryAuthority, isSecondFactor: twoFactors)
            }
            registrar = (try Registrar(place, rules) { events.post($0) }, estPort)
        }
        var exchanges: WebServer.Part<ExchangeEndpoint>?
        if let bridge {
            try certifyExchange(place)
            exchanges = (try ExchangeEndpoint(place, bridge, audience: httpsToken), httpsPort)
        }
        if registrar == nil && exchanges == nil { return nil }
        return try WebServer(place, listen: listen, registrar: registrar, exchanges: exchanges)
    }

    /// A gateway that was made before there was this party gets it.
    private func certifyExchange(_ place: GatewayDirectory) throws(Failure) {
        let party = Party.exchange
        if access(place.place(party.tlsCertificate), F_OK) == 0 { return }
        do throws(Failure) {
            // Of an attempt that was interrupted.
            unlink(place.place(party.tlsKey))
            try place.certify(party, by: place.authority())
        } catch {
            throw Failure(
                "\(place.place(party.tlsCertificate)): missing, and not to be made without the authority: bring ca.key back "
                    + "for one start, or go on without HTTPS: --no-https (\(error))")
        }
    }

    /// Returns when `wait` does.
    private func receive(
        _ place: GatewayDirectory, _ broker: Broker, _ events: RegistrarEvents, _ bridge: ExchangeBridge?,
        until wait: () throws(Failure) -> Void
    ) throws {
        let isTable = isatty(1) == 1 && !json
        let display: any Display = isTable ? Table(port: broker.port) : JSONLines(Logger.gateway)
        let receiver = try Receiver(
            place, capture: try capture.map { try Capture(path: $0) }, display: display, registrar: events,
            exchanges: bridge)
        var configuration = try Party.gateway.link(
            place, host: "127.0.0.1", port: broker.port,
            subscriptions: BrokerFiles.up.map { "\(BrokerFiles.prefix)/+/\($0)" })
        // What devices were told is stored must still reach us after a restart.
        configuration.sessionExpiry = 7 * 86_400
        let link = try ControllerLink.make(configuration, receiver)
        receiver.publish = { [unowned link] topic, payload in
            link.publish(topic: Array(topic.utf8), payload: payload) != nil
        }
        try at("a thread") { () throws(PosixError) in try link.start() }
        defer {
            link.stop()
            link.wait()
        }
        let exchanges = try bridge.map { try startExchanges(place, broker, $0) }
        defer {
            exchanges?.stop()
            exchanges?.wait()
        }
        try wait()
        if display.isBroken { throw Failure("standard output: nobody reads any longer, or the disk is full") }
    }

    private func startExchanges(
        _ place: GatewayDirectory, _ broker: Broker, _ bridge: ExchangeBridge
    ) throws(Failure) -> ControllerLink {
        var configuration = try Party.exchange.link(
            place, host: "127.0.0.1", port: broker.port, subscriptions: ExchangeBridge.subscriptions)
        // What is sent while the broker is started anew must reach devices as if they were there themselves.
        configuration.sessionExpiry = UInt32(ExchangeQueues.age / 1000)
        let link = try ControllerLink.make(configuration, bridge)
        bridge.attach(
            ExchangeBridge.Sending(
                publish: { [unowned link] in link.publish(topic: $0, payload: $1, isRetained: $2) },
                withdraw: { [unowned link] in link.withdraw($0) }))
        try at("a thread") { () throws(PosixError) in try link.start() }
        return link
    }

    private func log(_ text: String) { Logger.gateway.info("\(text)") }
}

extension Logger {
    /// Standard error.
    static let gateway = Logger(label: "martlet-gateway") { StreamLogHandler.standardError(label: $0) }
}

extension ControllerLink {
    static func make(
        _ configuration: LinkConfiguration, _ delegate: any ControllerLinkDelegate
    ) throws(Failure) -> ControllerLink {
        do throws(LinkTrouble) { return try ControllerLink(configuration, delegate: delegate) } catch {
            throw Failure("the connection cannot be made: \(error.text)")
        }
    }
}

/// Waits for SIGHUP, SIGINT and SIGTERM, which are blocked in every thread that starts after this was made.
struct Signals {
    private var set = sigset_t()

    init() {
        sigemptyset(&set)
        sigaddset(&set, SIGHUP)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Returns at a signal, or when the boot clock reaches `end` (milliseconds), or by what `running` throws, which is
    /// called a few times each second.
    func wait(until end: UInt64?, while running: () throws(Failure) -> Void) throws(Failure) {
        var set = set
        while true {
            var timeout = timespec(tv_sec: 0, tv_nsec: 200_000_000)
            if sigtimedwait(&set, nil, &timeout) > 0 { return }
            if let end, SystemClock.bootMilliseconds() >= end { return }
            try running()
        }
    }
}
