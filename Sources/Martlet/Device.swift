// SPDX-License-Identifier: Apache-2.0

public import MartletCommands
public import MartletEnvelope
internal import MartletMessages
internal import MartletPosix
package import MartletSenML
public import MartletSession

/// One device: it connects by mutual TLS, reports signed telemetry, and obeys authenticated commands.
///
/// All methods may be called from any thread, `onCommand` and `start` by one at a time. None waits for the network, but
/// `stop`. The library starts two threads: one does all network and disk work, the other runs command handlers (a
/// handler that hangs gets it more: see `onCommand`), and each exchange over HTTPS has one of its own. A program with a
/// loop of its own has it run them there instead: see `descriptor`.
///
/// The configuration is an INI file; relative paths begin at its directory:
///
///     [device]
///     id = pump-7                     letters, digits and . _ -; the common name of the certificate
///     state = state                   directory of the device's state, 0700; default: that of this file
///     [mqtt]
///     host = broker.example           checked against the broker's certificate
///     port = 8883                     default 8883
///     prefix = martlet/v1             of all topics; this is the default
///     protocol = 5                    or 3.1.1, which cannot tell whether a message was kept
///     keep-alive = 60                 seconds, 5 to 3600
///     [https]                         beside or instead of [mqtt], in programs in C, and those that are given `https`
///     url = https://things.example/   https://HOST[:PORT][/PATH]; checked against the server's certificate
///     ca = other-ca.pem               PEM, the only authorities that are trusted there; default: anchors of [identity]
///     proxy = http://proxy.example:3128   asked for a tunnel to the server; default: none, whatever the environment says
///     wait = 20                       seconds that the server may hold an exchange while there is nothing to say, 0 to 50
///     failover = 120                  seconds without a broker that takes messages after which HTTPS takes over
///     bearer = token                  file, 0600 in a directory 0700: what to show in addition
///     api-key = key                   the same for X-API-Key
///     jwt = AUDIENCE                  instead of bearer: a token that the device's key signs, for five minutes each
///     [identity]
///     key = device.pem                PEM, 0600 in a directory 0700; may be the same file as
///     certificate = device.pem        PEM, the device's first, then its intermediates
///     anchors = ca.pem                PEM, the only authorities that are trusted
///     [trust]
///     root = 9f86…                    SHA-256 of a root's public key (DER SubjectPublicKeyInfo), 64 hex digits; to name
///                                     another one ends the trust document that the device has from the network
///     document = trust.cbor           the first trust document: who may command what; default: from the network
///     [telemetry]
///     batch-count = 32                readings in one signed message, 1 to 256
///     batch-bytes = 4096              bytes in one signed message, 2048 to 8192
///     batch-age = 10                  seconds until a reading is on the disk and sent, 0 to 86400
///     commit-bytes = 4096             bytes of signed messages that go to the disk together, 4096 to 32768; what
///                                     is less waits for batch-age, 10 s at most, and is lost with the power. Alarms
///                                     never wait
///     spool-bytes = 16777216          disk for what is not delivered, 1048576 to 1073741824
///     spool-readings = 100000         readings that may wait there, 1000 to 1000000000; default: any number. What
///                                     is beyond goes file by file, of 128 KiB
///     spool-age = 604800              seconds that a reading may wait there, 60 to 315360000; default: for ever. Counted by
///                                     trusted time, and file by file: some are kept longer
///     [quota]                         what is sent at most; default: no limit. What is beyond waits in the spool
///     readings-per-second = 10        on average, 1 to 1000000; alarms do not wait
///     bytes-per-second = 2000         of messages, 100 to 1000000000
///     bytes-per-day = 1000000         UTC, 262144 and more, as a device that says nothing else needs some 100 kB: bulk readings stop at 80 %, normal at 95 %, alarms at 100 %
///     bytes-per-month = 20000000      the same, 8388608 and more
///     connections-per-hour = 30       attempts, 1 to 3600; while HTTPS works, its own do not count
///
/// These headings are one word. Other sections are the program's own, or misspelt: `start` logs their names.
/// `[enrolment]` is for `martlet renew`.
public final class Device: Sendable {
    private let core: DeviceCore

    /// Called with one line at a time, by `start` and then by the network thread, never by two at once. A line has no
    /// control characters. It must return soon.
    public typealias Log = @Sendable (LogLevel, String) -> Void

    /// Reads the configuration and everything it names; connects to nothing yet.
    ///
    /// - Parameters:
    ///   - program: name and version of the application, told to the back end; at most 32 bytes each.
    ///   - https: `.libcurl` of `MartletHTTPSLink`, if the program is to obey `[https]` of its configuration.
    /// - Throws: `argument` for `program`; `configuration`, `file`, `identity`, `state` or `system`, with a message for whoever installs it.
    public init(
        configuration path: String, program: (name: StaticString, version: StaticString)? = nil,
        https: HTTPSSupport? = nil, logLevel: LogLevel = .info, log: Log? = nil
    ) throws(MartletError) {
        core = try DeviceCore(
            Configuration(path: path), program: program.map { Birth.Software($0.name, $0.version) }, https: https,
            logLevel: logLevel, log: log)
    }

    /// The same, with names that are made at run time.
    package init(
        configuration path: String, programName: [UInt8], programVersion: [UInt8], https: HTTPSSupport,
        logLevel: LogLevel, log: Log?
    ) throws(MartletError) {
        core = try DeviceCore(
            Configuration(path: path), program: Birth.Software(name: programName, version: programVersion),
            https: https, logLevel: logLevel, log: log)
    }

    deinit { core.stop(flushing: 0) }

    /// Names a command that this device obeys, before `start`.
    ///
    /// Handlers run one after the other on the library's second thread, or in `dispatch`: as long as each ends within
    /// 10 seconds, no two run at the same time. One that runs longer is left alone with its thread, and the next
    /// commands go on beside it on another one; its outcome is told when it ends. There are at most four such threads,
    /// then commands wait. In `dispatch` a handler delays other commands for as long as it takes. A command whose
    /// deadline passes while it waits is not carried out. A command takes effect at most once.
    ///
    /// - Parameters:
    ///   - name: `[a-z][a-z0-9-]{0,31}`, and neither `suspend` nor `activate`, which the library itself carries out.
    ///   - parameters: what its arguments must be; others are refused before the handler is called. At most 8.
    ///   - isIdempotent: whether carrying it out twice does no more than once. If the program ends before its outcome
    ///     is known, the next run carries it out again, at most 4 times in all, instead of telling `interrupted`.
    /// - Throws: `argument` for a bad or taken name, `wrongState` after `start`.
    public func onCommand(
        _ name: String, _ parameters: Parameter..., isIdempotent: Bool = false,
        handler: @escaping @Sendable (Call) -> CommandResult
    ) throws(MartletError) {
        try core.declare(name, parameters, isIdempotent: isIdempotent, handler)
    }

    /// The same, for a list that is made at run time.
    public func onCommand(
        _ name: String, _ parameters: [Parameter], isIdempotent: Bool = false,
        handler: @escaping @Sendable (Call) -> CommandResult
    ) throws(MartletError) {
        try core.declare(name, parameters, isIdempotent: isIdempotent, handler)
    }

    /// Makes `dispatch` the place where handlers run, instead of a thread of the library. Call it before `start`, once
    /// or again.
    ///
    /// The descriptor can be read, for `poll` and its kind, when `dispatch` has something to do or the device was
    /// stopped. It belongs to the device, and is closed with it: do not read, write or close it.
    ///
    /// - Throws: `wrongState` after `start`, `system`.
    public func descriptor() throws(MartletError) -> Int32 { try core.descriptor() }

    /// Runs, on the caller's thread, the handlers of all commands that wait now, and returns; does not wait for more.
    /// While one thread is at it, another that calls this returns at once: what waits then makes the descriptor
    /// readable again.
    ///
    /// - Throws: `wrongState` in a handler, after `stop`, and unless `descriptor` was called.
    public func dispatch() throws(MartletError) { try core.dispatch() }

    /// Begins to connect, and goes on until `stop`.
    ///
    /// - Throws: `wrongState` the second time; `state` or `system`, after which only a new device can be started.
    public func start() throws(MartletError) { try core.start() }

    /// Reports a number. It is signed together with others, is on the disk, encrypted, within the batch's age, and is
    /// sent when there is a connection. Until the back end has it, it survives power cuts. If the spool is full, the
    /// oldest readings of the least urgent lane give way, and the back end is told.
    ///
    /// - Parameters:
    ///   - name: 1 to 64 letters, digits and `-:./_`, the first a letter or digit.
    ///   - lane: `alarm` overtakes the others and waits for nobody; `bulk` waits for them, and gives way first.
    ///   - durable: return when the reading is on the disk. Readings that several threads report at once are written
    ///     together.
    /// - Throws: `argument`; `full` if readings come faster than they can be signed; `wrongState` after `stop`, and, if
    ///   `durable`, before `start` and in a call of the library on its network thread (the log); `state` if the disk does
    ///   not take a durable reading within 10 s: it is kept in memory, and written when that is possible.
    public func report(
        _ name: String, _ value: Double, unit: Unit = .none, lane: Lane = .normal, durable: Bool = false
    ) throws(MartletError) {
        try core.report(name, .number(value), unit, lane, durable)
    }

    /// Reports a state; see above.
    public func report(
        _ name: String, _ value: Bool, lane: Lane = .normal, durable: Bool = false
    ) throws(MartletError) {
        try core.report(name, .boolean(value), .none, lane, durable)
    }

    /// Reports a text of at most 1,024 bytes; see above.
    public func report(
        _ name: String, _ value: String, lane: Lane = .normal, durable: Bool = false
    ) throws(MartletError) {
        var failure: MartletError?
        value.withBytes { value in
            do throws(MartletError) { try core.report(name, .string(value), .none, lane, durable) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Reports at most 1,024 bytes; see above.
    public func report(
        _ name: String, _ value: [UInt8], lane: Lane = .normal, durable: Bool = false
    ) throws(MartletError) {
        try core.report(name, .data(value.span), .none, lane, durable)
    }

    /// The same for a name and a unit that are made at run time; an empty unit is none.
    package func report(
        name: Span<UInt8>, _ value: borrowing SenMLRecord.Value, unit: Span<UInt8>, lane: Lane, durable: Bool
    ) throws(MartletError) {
        try core.report(name, value, unit, lane, durable)
    }

    /// What the device is doing.
    public struct Status: Sendable {
        public var connection = ConnectionState.disconnected
        /// Messages that the broker, or the HTTPS server, has not acknowledged.
        public var waitingMessages = 0
        /// Readings that `report` refused with `full`.
        public var droppedReadings: UInt64 = 0
        /// Commands refused before or at their signature.
        public var refusedMessages: UInt64 = 0
    }

    public var status: Status { core.status }

    /// Called on the library's network thread whenever the connection changes, after `start`; set it before. It must
    /// return soon.
    public func onConnectionChange(_ body: @escaping @Sendable (ConnectionState) -> Void) {
        core.onConnectionChange(body)
    }

    public func setLogLevel(_ level: LogLevel) { core.setLogLevel(level) }

    /// Sends what waits, for at most `flushing` seconds and only while there is a connection, says goodbye (1 second at
    /// most, over HTTPS 4), and ends its threads. What could not be sent is in the spool, and the next run sends it; a
    /// device that was never started forgets its readings. The device cannot be started again.
    ///
    /// A command whose handler has not ended by then gets no receipt: to stop because of a command, do so after its
    /// handler. It also waits for all handlers that run, however long they take. Called from a handler it does not wait
    /// for that handler; called on the network thread, or while another call of it goes on, it returns before the end.
    public func stop(flushing seconds: UInt32 = 5) { core.stop(flushing: seconds) }
}
