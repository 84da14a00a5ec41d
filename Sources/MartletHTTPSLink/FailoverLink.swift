// SPDX-License-Identifier: Apache-2.0

internal import Martlet
internal import MartletSession

/// The broker, and HTTPS where the broker cannot be reached.
///
/// HTTPS takes over when the broker took no message in any connection for a while. As long as it serves, the broker is
/// tried beside it, by a connection that nothing is said on; once that works, the engine gets the broker back.
final class FailoverLink: DrivenLink {
    /// Milliseconds from one try of the broker to the next at most. The first comes after the patience, or a minute; the
    /// pause doubles until the broker has taken a message.
    static let longestPause: UInt64 = 600_000
    /// Milliseconds that a try may take.
    static let tryDeadline: UInt64 = 30_000

    private let broker: any DrivenLink
    private let https: any DrivenLink
    /// Milliseconds without a broker that serves until HTTPS takes over.
    private let patience: UInt64
    /// Uniform over all values.
    private let random: () -> UInt64

    /// The one that the engine has.
    private var active: any DrivenLink
    /// Boot time from which HTTPS is the one to open; nil before the first attempt at the broker.
    private var switchTime: UInt64?
    /// What the engine asked for last.
    private var plan: ConnectionPlan?
    /// Boot time at which the broker is tried next, or at which the try that goes on ends.
    private var tryTime: UInt64 = 0
    private var tryPause: UInt64 = 0
    private var attempt = Attempt.none

    private enum Attempt { case none, going, leaving }

    init(_ broker: any DrivenLink, _ https: any DrivenLink, patience: UInt64, random: @escaping () -> UInt64) {
        self.broker = broker
        self.https = https
        self.patience = patience
        self.random = random
        active = broker
    }

    private var isOnHTTPS: Bool { active === https }

    var engine: Engine? {
        didSet { active.engine = engine }
    }

    // MARK: Driving

    var descriptor: Int32 { broker.descriptor }
    var wantsWrite: Bool { broker.wantsWrite }
    var isAccepted: Bool { active.isAccepted }
    var isOpen: Bool { active.isOpen }
    var farewell: UInt64 { active.farewell }

    var due: UInt64? {
        var due = min(broker.due ?? .max, https.due ?? .max)
        if isOnHTTPS { due = min(due, tryTime) }
        return due == .max ? nil : due
    }

    func drive(readable: Bool, writable: Bool, now: UInt64) {
        if !isOnHTTPS { watchBroker(now) }
        broker.drive(readable: readable, writable: writable, now: now)
        https.drive(readable: false, writable: false, now: now)
        if isOnHTTPS { tryBroker(now) }
    }

    private func watchBroker(_ now: UInt64) {
        guard broker.isOpen else { return }
        if broker.hasServed {
            switchTime = now &+ patience
            tryPause = 0
        } else if broker.isAccepted, let switchTime, let plan, now >= max(switchTime, plan.now &+ Self.tryDeadline) {
            // It keeps the connection and takes no message. The engine opens HTTPS next.
            broker.abort()
            engine?.closed(LinkFailure("the broker takes no messages"), .now())
        }
    }

    private func tryBroker(_ now: UInt64) {
        let isOver = !broker.isOpen || now >= tryTime
        switch attempt {
        case .none:
            guard now >= tryTime, let plan else { return }
            if let hold = engine?.beginSearch(.now()) {
                tryTime = hold
                return
            }
            attempt = .going
            tryTime = now &+ Self.tryDeadline
            broker.open(plan.later(now))
        case .going where broker.isAccepted:
            // In order, or the broker would publish the last will.
            attempt = .leaving
            broker.disconnect()
        case .going where isOver:
            broker.abort()
            attempt = .none
            // Between a half and all of it: not a whole fleet at once.
            tryTime = now &+ tryPause / 2 &+ random() % (tryPause / 2)
            lengthenPause()
        case .leaving where isOver: goBack()
        case .going, .leaving: return
        }
    }

    private func lengthenPause() { tryPause = min(tryPause * 2, Self.longestPause) }

    /// The engine opens the broker next, and gets all its answers.
    private func goBack() {
        lengthenPause()
        broker.abort()
        https.abort()
        use(broker)
        switchTime = nil
        engine?.closed(LinkFailure("the broker can be reached again"), .now())
        engine?.retry(.now())
    }

    private func use(_ link: any DrivenLink) {
        active.engine = nil
        active = link
        link.engine = engine
        attempt = .none
    }

    // MARK: Link

    var server: [UInt8] { active.server }
    var window: Int { active.window }

    func open(_ plan: ConnectionPlan) {
        self.plan = plan
        if let switchTime {
            if !isOnHTTPS, plan.now >= switchTime {
                use(https)
                tryPause = max(tryPause, min(patience, 60_000))
                tryTime = plan.now &+ tryPause
            }
        } else {
            switchTime = plan.now &+ patience
        }
        active.open(plan)
    }

    func abort() { active.abort() }

    func disconnect() {
        if isOnHTTPS {
            // Nobody looks for the broker any more.
            broker.abort()
            attempt = .none
            tryTime = .max
        }
        active.disconnect()
    }

    func end() {
        broker.abort()
        broker.end()
        https.end()
    }

    func isServerValid(at seconds: Int64) -> Bool { active.isServerValid(at: seconds) }

    func subscribe(_ topics: [[UInt8]]) -> Bool { active.subscribe(topics) }

    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult {
        active.publish(topic, payload, retained: retained)
    }
}
