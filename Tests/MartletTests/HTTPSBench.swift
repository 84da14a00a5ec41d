// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletEnvelope
import MartletHTTPSLink
import MartletMessages
import MartletPosix
import TestSupport

/// A back end that is reached by exchanges over HTTPS, and the files of one device.
final class HTTPSBench: DeviceFolder {
    struct State {
        /// What waits for the device, with its number.
        var queue: [(number: UInt64, message: Exchange.Message)] = []
        var last: UInt64 = 0
        /// What is in every answer, whatever was taken.
        var repeated: [Exchange.Message] = []
        var requests: [(request: Exchange.Request, head: String)] = []
        /// Bytes of the usual answers.
        var answers: [Int] = []
        /// Answers to the next requests, instead of the usual ones; nil is a usual one.
        var scripted: [[UInt8]?] = []
        /// Messages of a request; more get 413.
        var limit = Int.max
        /// The codes of messages that are not taken, by their leaf.
        var codes: [Leaf: UInt8] = [:]
        /// Usual answers that do not arrive, though the request did.
        var losses = 0
        /// Requests that are not what they must be.
        var faults: [String] = []
        /// How many answers are held now.
        var held = 0
    }

    let state = Guarded(State())
    private(set) var backEnd: BackEnd!
    private(set) var server: ExchangeServer!

    /// The way to the broker, if there is one.
    private(set) var proxy: Proxy?
    private var broker: Broker?
    /// The way to the server, if there is one.
    private(set) var relay: Proxy?

    /// - Parameters:
    ///   - withBroker: the back end is also reached by a broker.
    ///   - throughRelay: the device reaches the server by a relay.
    ///   - notBefore: when the time of the server's certificate begins, in seconds from now.
    ///   - givesUpHTTP2: as `ExchangeServer` takes it.
    init(
        _ settings: [String] = ["wait = 2"], withBroker: Bool = false, throughRelay: Bool = false,
        notBefore: Int64? = nil, givesUpHTTP2: Bool = false
    ) throws {
        try super.init(TestAuthority())
        let state = state
        let send: @Sendable (Leaf, [UInt8]) -> Void = { leaf, message in
            state.with { state in
                state.last += 1
                state.queue.append((state.last, Exchange.Message(leaf: leaf, bytes: message)))
            }
            state.notify()
        }
        if withBroker {
            let broker = try Broker(tls: Broker.TLS(authority))
            self.broker = broker
            proxy = try Proxy(to: broker.port)
            backEnd = try BackEnd(self, port: broker.port, send: send)
        } else {
            backEnd = try BackEnd(self, send: send)
        }
        let backEnd = backEnd!
        let now = Int64(Date().timeIntervalSince1970)
        let identity = try notBefore.map { try authority.server(notBefore: now + $0) }
        server = try ExchangeServer(authority, identity: identity, givesUpHTTP2: givesUpHTTP2) {
            Self.answer($0, state, backEnd)
        }
        if throughRelay { relay = try Proxy(to: server.port) }
        try configure(https: settings)
    }

    deinit {
        relay?.stop()
        server?.stop()
        backEnd?.stop()
        proxy?.stop()
        broker?.stop()
    }

    var url: String { "https://localhost:\(relay?.port ?? server.port)/things/" }

    func configure(https settings: [String]) throws {
        let rest = lines.compactMap { line -> String? in
            if line.hasPrefix("port"), let proxy { return "port = \(proxy.port)" }
            if proxy != nil { return line }
            return ["[mqtt]", "host", "port"].contains { line.hasPrefix($0) } ? nil : line
        }
        // Each reading is a message.
        try configure(lines: rest + ["batch-count = 1", "[https]", "url = \(url)"] + settings)
    }

    /// Waits until `body` finds something.
    func waitFor<Result>(_ what: String, seconds: Int64 = 30, _ body: (inout State) -> Result?) throws -> Result {
        if let result = state.wait(milliseconds: seconds * 1000, for: body) { return result }
        throw BackEnd.TimedOut(description: "no \(what): \(logged) \(server.output) \(state.with { $0.faults })")
    }

    func startResumed(_ device: Device) throws {
        try device.start()
        try waitForLog("resumed this run")
    }

    private static func answer(
        _ request: ExchangeServer.Request, _ state: Guarded<State>, _ backEnd: BackEnd
    ) -> [UInt8] {
        defer { state.notify() }
        guard request.line == "POST /things/martlet/v1/pump-7/exchange HTTP/1.1", request.client == id,
            request.head.lowercased().contains("\r\ncontent-type: application/cbor"),
            let content = try? Exchange.Request(decoding: request.body.span), content.encoded() == request.body
        else {
            state.with { $0.faults.append(request.head) }
            return ExchangeServer.answer("400 Bad Request")
        }
        let scripted = state.with { state in
            state.requests.append((content, request.head))
            return state.scripted.isEmpty ? nil : state.scripted.removeFirst()
        }
        state.notify()
        if let scripted { return scripted }
        if content.messages.count > state.with({ $0.limit }) {
            return ExchangeServer.answer("413 Content Too Large", type: "text/html")
        }
        let topics = Topics(prefix: Array("martlet/v1".utf8).span, device: Array(id.utf8).span)!
        let codes = content.messages.map { message -> UInt8 in
            guard let leaf = message.leaf else { return 0x90 }
            if let code = state.with({ $0.codes[leaf] }) { return code }
            let topic = topics.topic(leaf)
            _ = backEnd.linkReceived(topic: topic.span, payload: message.bytes.span, isRetained: false)
            return 0
        }
        state.with { $0.queue.removeAll { $0.number <= content.mark } }
        if content.messages.isEmpty {
            state.with { $0.held += 1 }
            _ = state.wait(milliseconds: Int64(content.wait) * 1000) {
                $0.queue.isEmpty && $0.repeated.isEmpty ? nil : true
            }
            state.with { $0.held -= 1 }
        }
        let answer = state.with { state -> [UInt8]? in
            if state.losses > 0 {
                state.losses -= 1
                return nil
            }
            return Exchange.Answer(
                codes: codes, messages: state.queue.map { $0.message } + state.repeated,
                mark: state.queue.last?.number ?? content.mark
            ).encoded()
        }
        guard let answer else { return [] }
        let bytes = ExchangeServer.answer(body: answer)
        state.with { $0.answers.append(bytes.count) }
        return bytes
    }
}
