// SPDX-License-Identifier: Apache-2.0

import MartletController
import Synchronization

/// Carries the messages of exchanges to the broker, and brings what the broker has for devices that come by them: a
/// party beside the others, so that nobody has to care by which way a device comes.
final class ExchangeBridge: ControllerLinkDelegate, Sendable {
    /// Milliseconds for the broker's word on all messages of an exchange.
    static let patience: UInt64 = 10_000
    /// Notes that wait to be shown; more are not.
    private static let maximumNotes = 100
    /// Exchanges that are held at once; any other is answered without waiting.
    static let maximumHeld = 256

    /// The link's methods: `withdraw` takes back what the broker has not acknowledged.
    struct Sending: Sendable {
        var publish: @Sendable (_ topic: [UInt8], _ payload: [UInt8], _ isRetained: Bool) -> UInt64?
        var withdraw: @Sendable (_ tokens: Set<UInt64>) -> Void
    }

    /// The messages of one exchange on their way to the broker.
    private struct Delivery {
        var codes: [UInt8]
        /// Where the code of each one goes that the broker has not answered for yet.
        var places: [UInt64: Int]
        let deadline: UInt64
        let finish: CheckedContinuation<[UInt8]?, Never>
    }

    private struct Hold {
        let until: UInt64
        let finish: CheckedContinuation<Void, Never>
    }

    private struct State {
        var sending: Sending?
        var isReady = false
        var queues: ExchangeQueues
        var deliveries: [UInt64: Delivery] = [:]
        var nextDelivery: UInt64 = 0
        /// By device: the one whose exchange is held.
        var holds: [[UInt8]: Hold] = [:]
        var notes: [String] = []
    }

    private let state: Mutex<State>

    init() {
        state = Mutex(State(queues: ExchangeQueues(start: UInt64(clamping: SystemClock.unixMilliseconds()))))
    }

    /// Before the link starts.
    func attach(_ sending: Sending) { state.withLock { $0.sending = sending } }

    static var subscriptions: [String] { BrokerFiles.down.map { "\(BrokerFiles.prefix)/+/\($0)" } }

    /// Something that whoever runs the gateway should know.
    func note(_ text: String) {
        state.withLock { if $0.notes.count < Self.maximumNotes { $0.notes.append(text) } }
    }

    func takeNotes() -> [String] {
        state.withLock { state in
            defer { state.notes = [] }
            return state.notes
        }
    }

    /// Whether a birth that the broker told came by an exchange.
    func seen(birth: [UInt8], from device: [UInt8]) -> Bool {
        state.withLock { $0.queues.seen(birth: birth, from: device) }
    }

    // MARK: Exchanges

    /// Whether the device must connect anew: what waited for it when the gateway ended, perhaps its `resume`, comes
    /// again only after its birth. It is known from then on, so this is true once.
    func mustReconnect(_ device: [UInt8], mark: UInt64) -> Bool {
        state.withLock { state in
            guard state.isReady, state.queues.isFromEarlierRun(device, mark: mark) else { return false }
            state.queues.begin(device, mark: mark, now: SystemClock.bootMilliseconds())
            return true
        }
    }

    /// nil: the broker cannot be reached. What may be a tool's makes no device known.
    func exchange(_ request: Exchange.Request, from device: [UInt8]) async -> Exchange.Answer? {
        let isReady = state.withLock { state in
            if state.isReady, !request.mayBeOfTool || state.queues.knows(device) {
                state.queues.begin(device, mark: request.mark, now: SystemClock.bootMilliseconds())
            }
            return state.isReady
        }
        guard isReady, let codes = await deliver(request.messages, from: device) else { return nil }
        if request.messages.isEmpty, request.wait > 0 { await hold(device, seconds: request.wait) }
        let (messages, mark) = state.withLock { $0.queues.answer(to: device, mark: request.mark) }
        return Exchange.Answer(codes: codes, messages: messages, mark: mark)
    }

    /// The broker's code for each message; nil if it did not answer for all.
    private func deliver(_ messages: [Exchange.Message], from device: [UInt8]) async -> [UInt8]? {
        await withCheckedContinuation { finish in
            let result: [UInt8]?? = state.withLock { state in
                guard state.isReady, let sending = state.sending else { return .some(nil) }
                // Topic name invalid: what is not published here.
                var codes = [UInt8](repeating: 0x90, count: messages.count)
                var places: [UInt64: Int] = [:]
                for (index, message) in messages.enumerated() {
                    guard let leaf = message.leaf?.up else { continue }
                    let topic = Array("\(BrokerFiles.prefix)/".utf8) + device + Array("/\(leaf)".utf8)
                    guard let token = sending.publish(topic, message.bytes, leaf == "birth" || leaf == "presence")
                    else {
                        sending.withdraw(Set(places.keys))
                        return .some(nil)
                    }
                    // An empty one clears what the broker keeps.
                    if leaf == "birth", !message.bytes.isEmpty {
                        state.queues.forwarded(birth: message.bytes, from: device)
                    }
                    codes[index] = 0
                    places[token] = index
                }
                if places.isEmpty { return codes }
                state.nextDelivery += 1
                state.deliveries[state.nextDelivery] = Delivery(
                    codes: codes, places: places, deadline: SystemClock.bootMilliseconds() + Self.patience,
                    finish: finish)
                return nil
            }
            if let result { finish.resume(returning: result) }
        }
    }

    /// Returns when there is a message for the device, when it makes another exchange, or after so many seconds.
    private func hold(_ device: [UInt8], seconds: UInt64) async {
        await withCheckedContinuation { finish in
            let ended: CheckedContinuation<Void, Never>? = state.withLock { state in
                let isFull = state.holds.count >= Self.maximumHeld && state.holds[device] == nil
                if !state.isReady || isFull || state.queues.hasMessages(for: device) { return finish }
                let until = SystemClock.bootMilliseconds() + seconds * 1000
                return state.holds.updateValue(Hold(until: until, finish: finish), forKey: device)?.finish
            }
            ended?.resume()
        }
    }

    // MARK: ControllerLinkDelegate

    func linkChanged(_ change: LinkState) {
        let isReady = if case .ready = change { true } else { false }
        state.withLock { $0.isReady = isReady }
        if case .disconnected(let trouble, _) = change { note("the HTTPS endpoint is cut off: \(trouble.text)") }
        // A link that is gone forgets its packets: whoever has no answer sends again.
        if !isReady { endAll { _ in true } }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        guard let (device, leaf) = Topics.parse(topic, prefix: Array(BrokerFiles.prefix.utf8).span),
            case .signed(let purpose) = leaf, BrokerFiles.down.contains(purpose.leaf),
            // Anything else that was kept is not for those who come later.
            !isRetained || purpose == .trust
        else { return true }
        let id = [UInt8](copying: topic.extracting(device))
        let message = Exchange.Message(leaf: leaf, bytes: [UInt8](copying: payload))
        let hold = state.withLock { state in
            state.queues.add(message, for: id, now: SystemClock.bootMilliseconds())
                ? state.holds.removeValue(forKey: id) : nil
        }
        hold?.finish.resume()
        return true
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        let delivery: Delivery? = state.withLock { state in
            guard let id = state.deliveries.first(where: { $0.value.places[token] != nil })?.key,
                let place = state.deliveries[id]?.places.removeValue(forKey: token)
            else { return nil }
            state.deliveries[id]?.codes[place] = reasonCode
            return state.deliveries[id]?.places.isEmpty == true ? state.deliveries.removeValue(forKey: id) : nil
        }
        delivery?.finish.resume(returning: delivery?.codes)
    }

    func linkTicked() {
        let now = state.withLock { state in
            let now = SystemClock.bootMilliseconds()
            state.queues.expire(now: now)
            return now
        }
        endAll { $0 <= now }
    }

    /// Ends what waits until a time that `isOver`.
    private func endAll(_ isOver: (UInt64) -> Bool) {
        let (deliveries, holds) = state.withLock { state in
            let deliveries = state.deliveries.filter { isOver($0.value.deadline) }
            let holds = state.holds.filter { isOver($0.value.until) }
            for id in deliveries.keys { state.deliveries[id] = nil }
            for device in holds.keys { state.holds[device] = nil }
            if !deliveries.isEmpty { state.sending?.withdraw(Set(deliveries.values.flatMap(\.places.keys))) }
            return (deliveries, holds)
        }
        for delivery in deliveries.values { delivery.finish.resume(returning: nil) }
        for hold in holds.values { hold.finish.resume() }
    }
}

extension Exchange.Request {
    /// Whether it may come from who renews or retires the device, beside its program, and so says nothing of the way by
    /// which that comes: all that they send is the event of another key, a decommission, and what clears.
    fileprivate var mayBeOfTool: Bool {
        mark == 0 && wait == 0
            && messages.allSatisfy {
                $0.bytes.isEmpty || $0.leaf == .signed(.event) || $0.leaf == .signed(.decommission)
            }
    }
}

extension Leaf {
    /// Its name, if it is one that devices publish.
    fileprivate var up: String? {
        let name = if case .signed(let purpose) = self { purpose.leaf } else { "presence" }
        return BrokerFiles.up.contains(name) ? name : nil
    }
}
