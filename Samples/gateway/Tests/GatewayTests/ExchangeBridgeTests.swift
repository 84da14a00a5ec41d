// SPDX-License-Identifier: Apache-2.0

import MartletController
import Synchronization
import Testing

@testable import martlet_gateway

/// Exchanges and the broker, of which this test plays the link.
@Suite struct ExchangeBridgeTests {
    private struct Published: Equatable {
        let token: UInt64
        let topic: String
        let payload: [UInt8]
        let isRetained: Bool
    }

    private final class Link: Sendable {
        struct State {
            var published: [Published] = []
            var withdrawn: Set<UInt64> = []
            var room = Int.max
        }
        let state = Mutex(State())
        var published: [Published] { state.withLock { $0.published } }

        /// Waits until there are so many.
        func published(_ count: Int) async -> [Published] {
            while published.count < count { await Task.yield() }
            return published
        }
    }

    private let device = Array("pump-7".utf8)
    private let bridge = ExchangeBridge()
    private let link = Link()

    init() {
        bridge.attach(
            ExchangeBridge.Sending(
                publish: { [link] topic, payload, isRetained in
                    link.state.withLock { state in
                        if state.published.count >= state.room { return nil }
                        let token = UInt64(state.published.count + 1)
                        state.published.append(
                            Published(
                                token: token, topic: String(decoding: topic, as: UTF8.self), payload: payload,
                                isRetained: isRetained))
                        return token
                    }
                },
                withdraw: { [link] tokens in link.state.withLock { $0.withdrawn.formUnion(tokens) } }))
        bridge.linkChanged(.ready)
    }

    private func exchange(
        _ leaves: [Leaf?] = [], wait: UInt64 = 0, mark: UInt64 = 0
    ) async -> Exchange.Answer? {
        let messages = leaves.enumerated().map { Exchange.Message(leaf: $1, bytes: [UInt8($0)]) }
        return await bridge.exchange(Exchange.Request(wait: wait, messages: messages, mark: mark), from: device)
    }

    /// An exchange of the device's program with one message, which the broker takes.
    private func send(_ purpose: Purpose, bytes: [UInt8] = [1]) async {
        let count = link.published.count + 1
        let message = Exchange.Message(leaf: .signed(purpose), bytes: bytes)
        async let answer = bridge.exchange(Exchange.Request(wait: 0, messages: [message], mark: 0), from: device)
        if let token = await link.published(count).last?.token { bridge.linkPublished(token: token, reasonCode: 0) }
        #expect(await answer?.codes == [0])
    }

    private func tell(_ topic: String, _ payload: [UInt8], isRetained: Bool = false) {
        let topic = Array(topic.utf8)
        let isTaken = bridge.linkReceived(topic: topic.span, payload: payload.span, isRetained: isRetained)
        #expect(isTaken)
    }

    @Test func `messages go to the device's topics in order, with the flags of MQTT, and their codes come back`() async
    {
        async let answer = exchange([
            .signed(.birth), .presence, nil, .signed(.telemetry), .signed(.command), .signed(.receipt),
        ])
        let published = await link.published(4)
        #expect(
            published == [
                Published(token: 1, topic: "martlet/v1/pump-7/birth", payload: [0], isRetained: true),
                Published(token: 2, topic: "martlet/v1/pump-7/presence", payload: [1], isRetained: true),
                Published(token: 3, topic: "martlet/v1/pump-7/telemetry", payload: [3], isRetained: false),
                Published(token: 4, topic: "martlet/v1/pump-7/receipt", payload: [5], isRetained: false),
            ])
        for (token, code) in [(4, 0), (1, 0), (3, 0x97), (99, 0), (2, 0x10)] as [(UInt64, UInt8)] {
            bridge.linkPublished(token: token, reasonCode: code)
        }
        #expect(await answer?.codes == [0, 0x10, 0x90, 0x97, 0x90, 0])
    }

    @Test func `a device may publish whatever is an up leaf, and nothing else`() async {
        let leaves = [Leaf.presence] + Purpose.allCases.map(Leaf.signed)
        async let answer = exchange(leaves)
        for message in await link.published(BrokerFiles.up.count) {
            bridge.linkPublished(token: message.token, reasonCode: 0)
        }
        let taken = zip(leaves, await answer?.codes ?? []).filter { $0.1 == 0 }.count
        #expect(taken == BrokerFiles.up.count)
        #expect(
            Set(link.published.map { String($0.topic.dropFirst("martlet/v1/pump-7/".count)) }) == Set(BrokerFiles.up))
    }

    @Test func `an empty birth clears what the broker keeps, and is none that will come back`() async {
        await send(.telemetry)
        await send(.birth, bytes: [])
        #expect(link.published.last?.payload == [] && link.published.last?.isRetained == true)
        // The next device of this id comes by MQTT: nothing is kept for exchanges.
        #expect(!bridge.seen(birth: [1], from: device))
        tell("martlet/v1/pump-7/command", [2])
        #expect(await exchange()?.messages == [])
    }

    @Test func `what only tools say, beside the device's program, lets nothing wait for it, and takes nothing`() async {
        let command = Exchange.Message(leaf: .signed(.command), bytes: [1])
        #expect(await exchange()?.codes == [])
        await send(.event)
        await send(.birth, bytes: [])
        await send(.decommission)
        tell("martlet/v1/pump-7/command", command.bytes)
        // The device's own, which has a mark.
        #expect(await exchange(mark: 1)?.messages == [])
        tell("martlet/v1/pump-7/command", command.bytes)
        await send(.event)
        #expect(await exchange()?.messages == [command])
    }

    @Test(arguments: [.birth, .telemetry, .gap, .reported, .receipt, .checkpoint] as [Purpose])
    func `what the device's program says lets messages wait for it`(purpose: Purpose) async {
        await send(purpose)
        tell("martlet/v1/pump-7/resume", [2])
        #expect(await exchange()?.messages == [Exchange.Message(leaf: .signed(.resume), bytes: [2])])
    }

    @Test func `an exchange that may be held is one of the device's program`() async {
        async let held = exchange(wait: 1)
        let telling = Task {
            while !Task.isCancelled {
                tell("martlet/v1/pump-7/resume", [1])
                bridge.linkTicked()
                await Task.yield()
            }
        }
        #expect(await held?.messages.isEmpty == false)
        telling.cancel()
    }

    @Test func `without a broker there is no answer, and nothing is left behind`() async {
        async let answer = exchange([.signed(.telemetry), .signed(.event)])
        _ = await link.published(2)
        bridge.linkPublished(token: 1, reasonCode: 0)
        bridge.linkChanged(.disconnected(.timeout, retry: 1))
        #expect(await answer == nil)
        #expect(link.state.withLock { $0.withdrawn } == [2])
        #expect(await exchange([.signed(.telemetry)]) == nil)
        #expect(await exchange() == nil)
        #expect(link.published.count == 2)
        #expect(bridge.takeNotes().count == 1)
        bridge.linkChanged(.ready)
        #expect(await exchange()?.codes == [])
    }

    @Test func `an exchange for which the link has no room is put off as a whole`() async {
        link.state.withLock { $0.room = 1 }
        #expect(await exchange([.signed(.telemetry), .signed(.event)]) == nil)
        #expect(link.state.withLock { $0.withdrawn } == [1])
    }

    @Test func `a held exchange ends with a message for its device, and with no other`() async {
        await send(.birth)
        async let answer = exchange(wait: 60)
        tell("martlet/v1/pump-8/command", [1])
        tell("martlet/v1/pump-7/telemetry", [2])
        tell("martlet/v1/pump-7/command", [3], isRetained: true)
        tell("martlet/v1/pump-7/resume", [4])
        let held = await answer
        #expect(held?.messages == [Exchange.Message(leaf: .signed(.resume), bytes: [4])])
        // It waits until the mark comes back; a request with messages is not held.
        async let next = exchange([.signed(.receipt)], wait: 60, mark: held?.mark ?? 0)
        _ = await link.published(2)
        bridge.linkPublished(token: 2, reasonCode: 0)
        #expect(await next == Exchange.Answer(codes: [0], messages: [], mark: held?.mark ?? 0))
    }

    @Test func `a trust document that the broker kept goes to the device`() async {
        await send(.birth)
        tell("martlet/v1/pump-7/trust", [1], isRetained: true)
        #expect(await exchange()?.messages == [Exchange.Message(leaf: .signed(.trust), bytes: [1])])
    }

    @Test(.timeLimit(.minutes(1)))
    func `a held exchange ends by the next one, by its time, and with the connection to the broker`() async {
        async let first = exchange(wait: 60)
        async let second = exchange(wait: 60)
        // One of them ended the other.
        bridge.linkChanged(.disconnected(.timeout, retry: 1))
        #expect(await [first, second].compactMap { $0 }.allSatisfy { $0.messages.isEmpty })
        bridge.linkChanged(.ready)
        async let short = exchange(wait: 1)
        let ticking = Task {
            while !Task.isCancelled {
                bridge.linkTicked()
                await Task.yield()
            }
        }
        #expect(await short?.messages == [])
        ticking.cancel()
    }
}
