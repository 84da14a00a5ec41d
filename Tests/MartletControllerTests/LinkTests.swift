// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import MartletMosquitto
import Testing
import TestSupport

/// Hears a link, and lets a test wait for what it heard.
private final class Listener: ControllerLinkDelegate, @unchecked Sendable {  // `heard` is guarded by `condition`
    struct Heard {
        var states: [LinkState] = []
        var messages: [[UInt8]] = []
        /// How many messages are refused first.
        var refusals = 0
        var published: [(token: UInt64, reasonCode: UInt8)] = []
        var ticks = 0
    }

    private let condition = NSCondition()
    private var heard = Heard()

    init(refusals: Int = 0) { heard.refusals = refusals }

    func wait<Result>(_ what: String, _ found: (Heard) -> Result?) throws -> Result {
        let end = Date(timeIntervalSinceNow: 20)
        return try condition.withLock {
            while true {
                if let result = found(heard) { return result }
                guard condition.wait(until: end) else { throw TestFailure("no \(what)") }
            }
        }
    }

    private func change(_ body: (inout Heard) -> Void) {
        condition.withLock { body(&heard) }
        condition.broadcast()
    }

    func linkChanged(_ state: LinkState) { change { $0.states.append(state) } }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        let bytes = [UInt8](copying: payload)
        var isTaken = true
        change {
            $0.messages.append(bytes)
            isTaken = $0.messages.count > $0.refusals
        }
        return isTaken
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) { change { $0.published.append((token, reasonCode)) } }

    func linkTicked() { change { $0.ticks += 1 } }
}

extension LinkState {
    fileprivate var isReady: Bool { if case .ready = self { true } else { false } }
    fileprivate var isStopped: Bool { if case .stopped = self { true } else { false } }
    fileprivate var trouble: LinkTrouble? { if case .disconnected(let trouble, _) = self { trouble } else { nil } }
}

@Suite(.serialized) struct LinkTests {
    private let authority: TestAuthority
    private let broker: Broker

    init() throws {
        authority = try TestAuthority()
        broker = try Broker(tls: Broker.TLS(authority))
    }

    private func link(
        _ listener: Listener, to host: String = "localhost", anchors: [Certificate]? = nil, filters: [String] = ["t/#"],
        id: String = "back-end", sessionExpiry: UInt32 = 0
    ) throws -> ControllerLink {
        let identity = try authority.client("back-end")
        var configuration = LinkConfiguration(
            host: host, port: broker.port, clientID: Array(id.utf8),
            anchors: anchors ?? [authority.authority.certificate], chain: [identity.certificate],
            key: identity.key, subscriptions: filters.map { Array($0.utf8) })
        configuration.sessionExpiry = sessionExpiry
        return try ControllerLink(configuration, delegate: listener)
    }

    @Test func `it connects, publishes, receives and stops`() throws {
        let listener = Listener()
        let link = try link(listener)
        let token = try #require(link.publish(topic: Array("t/a".utf8), payload: [1, 2, 3]))
        try link.start()
        #expect(try listener.wait("acknowledgement") { $0.published.first?.token } == token)
        #expect(try listener.wait("message") { $0.messages.first } == [1, 2, 3])
        _ = try listener.wait("tick") { $0.ticks > 0 ? true : nil }
        link.stop()
        link.wait()
        #expect(try listener.wait("stop") { $0.states.last }.isStopped)
    }

    @Test func `nobody listens is told as 0x10`() throws {
        let listener = Listener()
        let link = try link(listener, filters: [])
        let token = try #require(link.publish(topic: Array("elsewhere".utf8), payload: [1]))
        try link.start()
        let published = try listener.wait("acknowledgement") { $0.published.first }
        #expect(published.token == token && published.reasonCode == 0x10)
        link.stop()
        link.wait()
    }

    @Test func `it comes back after the broker was away, and sends what waits`() throws {
        let listener = Listener()
        let link = try link(listener)
        try link.start()
        _ = try listener.wait("connection") { $0.states.contains(where: \.isReady) ? true : nil }
        broker.stop()
        _ = try listener.wait("end") { $0.states.compactMap(\.trouble).first.map { _ in true } }
        let token = try #require(link.publish(topic: Array("t/b".utf8), payload: [4]))
        try broker.start()
        #expect(try listener.wait("acknowledgement") { $0.published.first?.token } == token)
        #expect(try listener.wait("message") { $0.messages.first } == [4])
        link.stop()
        link.wait()
    }

    @Test func `a message that is not taken comes again, before the next one`() throws {
        let listener = Listener(refusals: 2)
        let link = try link(listener, sessionExpiry: 60)
        try link.start()
        _ = try listener.wait("connection") { $0.states.contains(where: \.isReady) ? true : nil }
        let (sender, sent) = (Listener(), [[1], [2]] as [[UInt8]])
        let other = try self.link(sender, filters: [], id: "other")
        for payload in sent { _ = try #require(other.publish(topic: Array("t/c".utf8), payload: payload)) }
        try other.start()
        let messages = try listener.wait("messages") { $0.messages.count >= 4 ? $0.messages : nil }
        #expect(messages == [[1], [1], [1], [2]])
        let trouble = try listener.wait("end") { $0.states.compactMap(\.trouble).first }
        #expect(trouble.text == "a message could not be taken, and waits at the broker")
        for link in [link, other] {
            link.stop()
            link.wait()
        }
    }

    @Test func `a broker of another authority is refused, and that is said`() throws {
        let stranger = try TestAuthority()
        let listener = Listener()
        let link = try link(listener, anchors: [stranger.authority.certificate])
        try link.start()
        let trouble = try listener.wait("refusal") { $0.states.compactMap(\.trouble).first }
        guard case .tls(.certificate(.untrustedIssuer)) = trouble else {
            Issue.record("\(trouble)")
            return
        }
        link.stop()
        link.wait()
    }

    @Test func `a filter that is none ends the attempt, and that is said`() throws {
        let listener = Listener()
        let link = try link(listener, filters: ["bad/#/filter"])
        try link.start()
        let trouble = try listener.wait("refusal") { $0.states.compactMap(\.trouble).first }
        guard case .mosquitto(.invalidTopic) = trouble else {
            Issue.record("\(trouble)")
            return
        }
        link.stop()
        link.wait()
    }
}
