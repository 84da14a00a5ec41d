// SPDX-License-Identifier: Apache-2.0

internal import Martlet
internal import MartletCurl
internal import MartletHTTPS
internal import MartletMessages
internal import MartletOpenSSL
internal import MartletPosix
internal import MartletSession

/// Exchanges over HTTPS as the engine's link: one request after the other, each with all that waits.
///
/// "Connected" means that the last exchange succeeded. While nothing waits, the back end holds an exchange until it has
/// something to say; a message that comes up meanwhile ends that exchange, and goes into the next one.
final class HTTPSLink: DrivenLink {
    /// Messages that wait for their acknowledgement at once.
    static let sendWindow = 40
    /// Milliseconds from one exchange without messages to the next, if the back end is not to hold them.
    static let pollInterval: UInt64 = 10_000
    /// Milliseconds that the device has for its receipts, once messages came, before it asks again.
    static let answerTime: UInt64 = 1000

    /// A message that waits for an exchange, or is in one.
    final class Outgoing {
        let id: Int32
        let message: Exchange.Message

        init(id: Int32, _ message: Exchange.Message) {
            self.id = id
            self.message = message
        }

        /// Bytes that it takes at most in a request.
        var size: Int { message.bytes.count + Exchange.messageOverhead }
    }

    enum Phase { case closed, opening, connected, leaving }

    let server: [UInt8]
    private let settings: HTTPSSettings
    private let tls: TLSContext
    private let topics: Topics
    private let waiter: Waiter
    var engine: Engine?

    private(set) var phase = Phase.closed
    /// Counts openings and endings: what an exchange brings is worth nothing in the next one.
    private var generation: UInt64 = 0
    /// At which time certificates are judged, and the boot time at which it was that.
    private var moment = RunningExchange.Moment(time: 0, boottime: 0, acceptsNotYetValid: false)
    /// Whether the device's clock is good enough for a token; if not, the clock of the verified server is.
    private var isTimeTrusted = false
    private var serverTime: (seconds: Int64, boottime: UInt64)?
    private var headers: [HTTPSHeader] = []
    /// Boot time from which the headers are to be made anew.
    private var headersDue: UInt64 = 0
    private var connection: HTTPSConnection?
    private var nextID: Int32 = 0
    private var waiting: [Outgoing] = []
    private var waitingSize = 0
    /// How many messages an exchange may have: less, once the server said that there were too many.
    private var batchLimit = Exchange.maximumCount

    private var running: RunningExchange?
    /// What is in the exchange that runs.
    private var sent: [Outgoing] = []
    /// The generation of the exchange that runs.
    private var runningGeneration: UInt64 = 0
    /// Whether it is one that the back end may hold.
    private var isPolling = false
    private var isInterrupted = false
    /// The last answer whose messages were all taken.
    private var mark: UInt64 = 0
    /// Boot time in milliseconds of the next exchange, if nothing waits.
    private var pollDue: UInt64 = 0
    private var mustConfirm = false
    /// Changes when an exchange fails as it may by one version of HTTP alone. libcurl 7.88 has no answer by HTTP/2 if one
    /// came before all of the request was sent, as 413 may (RFC 9113 §8.1).
    private var offersHTTP2 = true

    init(_ settings: HTTPSSettings, tls: TLSContext, topics: Topics, waiter: Waiter) {
        self.settings = settings
        self.tls = tls
        self.topics = topics
        self.waiter = waiter
        server = settings.url.bytes
    }

    // MARK: Driving

    let descriptor: Int32 = -1
    let wantsWrite = false
    /// An exchange that is held takes a second to end.
    let farewell: UInt64 = 4000
    var isOpen: Bool { phase != .closed }
    var isAccepted: Bool { phase == .connected }
    var window: Int { phase == .connected ? Self.sendWindow : 0 }

    var due: UInt64? {
        if mustConfirm { return 0 }
        if running != nil { return mayInterrupt ? 0 : nil }
        switch phase {
        case .closed: return nil
        case .opening, .leaving: return 0
        case .connected: return waiting.isEmpty ? pollDue : 0
        }
    }

    private var mayInterrupt: Bool { isPolling && !isInterrupted && (!waiting.isEmpty || phase == .leaving) }

    func drive(readable: Bool, writable: Bool, now: UInt64) {
        if let running, let outcome = running.take() {
            self.running = nil
            if runningGeneration == generation { ended(outcome, now) }
        }
        if mustConfirm {
            mustConfirm = false
            engine?.subscribed(reasonCode: 0, .now())
        }
        goOn(now)
    }

    /// Begins the next exchange, if one is due and none runs.
    private func goOn(_ now: UInt64) {
        if let running {
            if mayInterrupt {
                isInterrupted = true
                running.cancel()
            }
            return
        }
        switch phase {
        case .closed: return
        case .opening: begin(holding: 0, now)
        case .connected:
            if !waiting.isEmpty {
                begin(holding: 0, now)
            } else if now >= pollDue {
                let wait = settings.wait
                pollDue = now &+ (wait == 0 ? Self.pollInterval : UInt64(wait) * 1000)
                begin(holding: wait, now)
            }
        case .leaving: waiting.isEmpty ? close(LinkFailure("disconnected")) : begin(holding: 0, now)
        }
    }

    /// Puts what waits into a request, as much as goes into one.
    private func begin(holding wait: UInt32, _ now: UInt64) {
        var (count, size) = (0, 0)
        let room = Exchange.maximumSize - Exchange.overhead
        while count < min(waiting.count, batchLimit), size + waiting[count].size <= room {
            size += waiting[count].size
            count += 1
        }
        sent = [Outgoing](waiting[..<count])
        waiting.removeFirst(count)
        waitingSize -= size
        let content = Exchange.Request(wait: UInt64(wait), messages: sent.map { $0.message }, mark: mark)
        guard let body = content.encoded() else { return close(LinkFailure("an exchange cannot be encoded")) }
        do throws(MartletError) {
            if now >= headersDue {
                headers = try settings.headers(tokenTime(now))
                headersDue = now &+ HTTPSSettings.headerTime
            }
        } catch { return close(LinkFailure(text: error.message.bytes)) }
        var request = settings.request(body, headers, wait: wait)
        request.offersHTTP2 = offersHTTP2
        let connection: HTTPSConnection
        do throws(HTTPSError) {
            if let kept = self.connection {
                connection = kept
            } else {
                let cancellation = HTTPSCancellation()
                connection = HTTPSConnection(
                    try VerifiedHTTPS(tls: tls, cancellation: cancellation, proxy: settings.proxy), cancellation)
            }
        } catch { return close(LinkFailure(error.text)) }
        self.connection = connection
        let exchange = RunningExchange(
            connection, request,
            RunningExchange.Moment(
                time: Self.time(moment.time, since: moment.boottime, now), boottime: now,
                acceptsNotYetValid: moment.acceptsNotYetValid),
            waiter: waiter)
        do throws(PosixError) { try exchange.start() } catch { return close(LinkFailure(text: error.text)) }
        running = exchange
        runningGeneration = generation
        isPolling = wait > 0
        isInterrupted = false
    }

    /// Seconds since 1970, for what a token says of its time.
    private func tokenTime(_ now: UInt64) -> Int64 {
        if !isTimeTrusted, let serverTime { return Self.time(serverTime.seconds, since: serverTime.boottime, now) }
        return Self.time(moment.time, since: moment.boottime, now)
    }

    private static func time(_ seconds: Int64, since then: UInt64, _ now: UInt64) -> Int64 {
        seconds &+ Int64(clamping: now > then ? (now - then) / 1000 : 0)
    }

    // MARK: What comes back

    private func ended(_ outcome: RunningExchange.Outcome, _ now: UInt64) {
        if isInterrupted { connection = nil }
        let response: HTTPSResponse
        switch outcome {
        case .response(let answered): response = answered
        case .failure(.https(.cancelled)):
            // By this link, and it had no messages: the answer, if there was one, comes again.
            pollDue = now
            return
        case .failure(let failure):
            offersHTTP2 = ExchangeFailure.offersHTTP2(after: failure, offered: offersHTTP2)
            return close(ExchangeFailure.describe(failure, wasConnected: phase != .opening))
        }
        if let date = response.date { serverTime = (date, now) }
        if response.status == 413, shrink() { return }
        guard response.status == 200 else {
            offersHTTP2 = true
            return close(ExchangeFailure.describe(response))
        }
        guard let answer = ExchangeFailure.answer(in: response, codes: sent.count) else {
            return close(LinkFailure(ExchangeFailure.noExchange))
        }
        // The engine knows whether the certificate was accepted as "not yet valid": it must not change behind its back.
        if phase == .opening {
            moment.acceptsNotYetValid = tls.provisional
        } else if tls.provisional != moment.acceptsNotYetValid {
            return close(LinkFailure("the server's certificate is another one, and its time is in doubt"))
        }
        take(answer, now)
    }

    private func take(_ answer: Exchange.Answer, _ now: UInt64) {
        let (generation, sent) = (generation, sent)
        self.sent = []
        if phase == .opening {
            phase = .connected
            pollDue = now
            engine?.connected(isProvisional: moment.acceptsNotYetValid, .now())
        }
        for (outgoing, code) in zip(sent, answer.codes) {
            engine?.acknowledged(id: outgoing.id, reasonCode: code, .now())
            if generation != self.generation { return }
        }
        for message in answer.messages {
            guard let leaf = message.leaf else { continue }
            let (topic, bytes) = (topics.topic(leaf), message.bytes)
            let isTaken =
                engine?.received(topic: topic.span, payload: bytes.span, isRetained: false, .now()) ?? false
            if generation != self.generation { return }
            // What could not be made durable comes again, and so does what follows it.
            if !isTaken {
                pollDue = now &+ Self.answerTime
                return
            }
        }
        mark = answer.mark
        if !answer.messages.isEmpty { pollDue = now &+ Self.answerTime }
        if settings.wait == 0 { pollDue = max(pollDue, now &+ Self.pollInterval) }
    }

    /// The request was too large for the server: the next ones have half as many messages. One that is too large alone
    /// will never be taken. False if there was none.
    private func shrink() -> Bool {
        guard let first = sent.first else { return false }
        if sent.count > 1 {
            batchLimit = max(1, sent.count / 2)
            // They came out of it, so there is room.
            waiting = sent + waiting
            waitingSize = waiting.reduce(0) { $0 + $1.size }
            sent = []
        } else {
            sent = []
            // Packet too large.
            engine?.acknowledged(id: first.id, reasonCode: 0x95, .now())
        }
        return true
    }

    private func close(_ failure: LinkFailure) {
        reset()
        engine?.closed(failure, .now())
    }

    /// Whatever runs is left alone, and ends soon.
    private func reset() {
        generation &+= 1
        phase = .closed
        mustConfirm = false
        waiting = []
        waitingSize = 0
        sent = []
        running?.cancel()
        connection = nil
    }

    // MARK: Link

    func open(_ plan: ConnectionPlan) {
        reset()
        moment = RunningExchange.Moment(
            time: plan.verificationTime, boottime: plan.now, acceptsNotYetValid: plan.acceptsNotYetValid)
        batchLimit = Exchange.maximumCount
        isTimeTrusted = !plan.acceptsNotYetValid
        headersDue = 0
        phase = .opening
    }

    func abort() { reset() }

    func disconnect() { phase = .leaving }

    func end() {
        running?.join()
        running = nil
    }

    /// Only while the engine is told of an answer, so no exchange runs.
    func isServerValid(at seconds: Int64) -> Bool {
        // A session from a time that was not trusted must not vouch for the server later.
        tls.dropSessions()
        guard tls.peerIsValid(at: seconds) else { return false }
        // The next connection is one that needs no forbearance.
        if moment.acceptsNotYetValid { connection?.https.disconnect() }
        moment = RunningExchange.Moment(
            time: seconds, boottime: SystemClock.bootMilliseconds(), acceptsNotYetValid: false)
        return true
    }

    /// The back end knows what the device wants: everything.
    func subscribe(_ topics: [[UInt8]]) -> Bool {
        mustConfirm = true
        return true
    }

    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult {
        let room = Exchange.maximumSize - Exchange.overhead
        if payload.count > room - Exchange.messageOverhead { return .tooLarge }
        guard phase == .connected, waiting.count + sent.count < Self.sendWindow,
            waitingSize + payload.count <= room - Exchange.messageOverhead
        else { return .windowFull }
        nextID = nextID == .max ? 1 : nextID + 1
        let message = Exchange.Message(leaf: topics.leaf(of: topic.span), bytes: [UInt8](copying: payload))
        let outgoing = Outgoing(id: nextID, message)
        waiting.append(outgoing)
        waitingSize += outgoing.size
        return .taken(id: nextID)
    }
}
