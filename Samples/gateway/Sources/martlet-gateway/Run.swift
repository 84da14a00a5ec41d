// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Logging
import MartletController

struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Starts the broker, answers the devices, and shows what they say.",
        discussion: """
            On a terminal it is a table that changes; otherwise one JSON object a line, with the types birth, \
            presence, reading, verdict, gap, boot, event, receipt, audit and refused. What is said of the gateway itself \
            goes to standard error. SIGINT and SIGTERM end it, and the broker with it.

            Verdicts on a reading's place in its lane: linked (its predecessor is here), first (the device names \
            none), beginning (the first that this gateway has), waiting (the predecessor may still come), explained \
            (the predecessor is lost, and the device said so), hole (the predecessor is missing without a word), \
            duplicate, fork (the device's state was copied or rolled back), too-old.

            Verdicts on entries of the audit log: linked, beginning (older entries are not known), hole, \
            given-up (the device says itself that the entries of a hole gave way to newer ones), fork, rolled-back, \
            broken; 'problem' says what is wrong.
            """)

    private static let maximumSeconds: UInt64 = 10 * 365 * 86_400

    @OptionGroup var directory: DirectoryOption

    @Option(help: "The broker's port; default: that of the last time, or a free one. It is kept in the file 'port'.")
    var port: UInt16?

    @Option(help: "The address that the broker listens on; 0.0.0.0 for devices on the network.")
    var listen = "127.0.0.1"

    @Option(
        name: .customLong("for"), help: ArgumentHelp("End after so many seconds.", valueName: "seconds"))
    var seconds: UInt64?

    @Option(help: ArgumentHelp("Store each envelope as it came in this directory.", valueName: "dir"))
    var capture: String?

    @Flag(help: "Run the broker alone, for other programs.")
    var brokerOnly = false

    @Flag(help: "Write JSON lines also on a terminal.")
    var json = false

    func validate() throws {
        if port == 0 { throw ValidationError("--port is from 1 to 65535; without it, a free one is found.") }
        if let seconds, seconds > Self.maximumSeconds {
            throw ValidationError("--for is at most \(Self.maximumSeconds) seconds, ten years.")
        }
    }

    func run() throws {
        let place = try directory.open()
        let lock = try at(place.place("run.lock")) { () throws(PosixError) in try place.files.lock("run.lock") }
        let signals = Signals()
        let broker = try Broker(place, listen: listen, port: port)
        defer { broker.stop() }
        log("the broker listens on \(listen):\(broker.port)")
        let end = seconds.map { SystemClock.bootMilliseconds() + $0 * 1000 }
        if brokerOnly {
            try signals.wait(until: end, while: broker)
        } else {
            try receive(place, broker, signals, end)
        }
        withExtendedLifetime(lock) {}
    }

    private func receive(
        _ place: GatewayDirectory, _ broker: Broker, _ signals: Signals, _ end: UInt64?
    ) throws {
        let isTable = isatty(1) == 1 && !json
        let display: any Display = isTable ? Table(port: broker.port) : JSONLines(Logger.gateway)
        let receiver = try Receiver(
            place, capture: try capture.map { try Capture(path: $0) }, display: display)
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
        try signals.wait(until: end, while: broker)
        if display.isBroken { throw Failure("standard output: nobody reads any longer, or the disk is full") }
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

/// Waits for SIGINT and SIGTERM, which are blocked in every thread that starts after this was made.
struct Signals {
    private var set = sigset_t()

    init() {
        sigemptyset(&set)
        sigaddset(&set, SIGINT)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Returns at a signal, or when the boot clock reaches `end` (milliseconds); throws if the broker ends.
    func wait(until end: UInt64?, while broker: Broker) throws(Failure) {
        var set = set
        while true {
            var timeout = timespec(tv_sec: 0, tv_nsec: 200_000_000)
            if sigtimedwait(&set, nil, &timeout) > 0 { return }
            if let end, SystemClock.bootMilliseconds() >= end { return }
            if !broker.isRunning { throw Failure("the broker ended by itself: see its log in the gateway's directory") }
        }
    }
}
