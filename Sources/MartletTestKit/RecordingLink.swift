// SPDX-License-Identifier: Apache-2.0

public import MartletSession

/// A link to nowhere: it records what the engine asks for, and the test plays the broker.
public final class RecordingLink: Link {
    public enum State { case closed, opening, open }

    /// What the engine published.
    public struct Message {
        public let id: Int32
        public let topic: [UInt8]
        public let payload: [UInt8]
        public let isRetained: Bool
        /// Which connection it went out on; the first one is 1.
        public let connection: Int
    }

    public let server: [UInt8] = [UInt8(ascii: "b")]
    public private(set) var state = State.closed
    /// One for each attempt.
    public private(set) var plans: [ConnectionPlan] = []
    /// The topics that this connection subscribed to.
    public private(set) var subscriptions: [[UInt8]] = []
    /// All messages of all connections.
    public private(set) var published: [Message] = []
    /// Those of this connection that the test has not acknowledged.
    public private(set) var unacknowledged: [Message] = []
    public private(set) var aborts = 0
    public private(set) var disconnects = 0
    /// Calls that the contract forbids: something was sent while there was no connection.
    public private(set) var violations = 0

    /// The most messages without acknowledgement.
    public var window = 20
    /// The longest payload that the broker takes.
    public var maximumSize = Int.max
    public var refusesSubscriptions = false
    /// The seconds since 1970 between which the server's certificate is valid.
    public var serverValidity = Int64.min...Int64.max

    /// Whether the board has power; without it nothing goes out.
    var hasPower: () -> Bool = { true }

    /// Told when an attempt to connect begins, and of each message as it goes out.
    var opens: () -> Void = {}
    var sends: (Message) -> Void = { _ in }

    /// Puts something else in the place of a payload.
    var rewrites: (([UInt8]) -> [UInt8])?

    private var lastID: Int32 = 0

    public init() {}

    public func open(_ plan: ConnectionPlan) {
        if state != .closed { violations += 1 }
        plans.append(plan)
        state = .opening
        opens()
    }

    public func abort() { end(&aborts) }

    public func disconnect() { end(&disconnects) }

    private func end(_ counter: inout Int) {
        counter += 1
        state = .closed
        unacknowledged.removeAll()
        subscriptions.removeAll()
    }

    public func isServerValid(at seconds: Int64) -> Bool { serverValidity.contains(seconds) }

    public func subscribe(_ topics: [[UInt8]]) -> Bool {
        if state != .open { violations += 1 }
        if refusesSubscriptions { return false }
        subscriptions += topics
        return true
    }

    public func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult {
        if state != .open { violations += 1 }
        if unacknowledged.count >= window || !hasPower() { return .windowFull }
        if payload.count > maximumSize { return .tooLarge }
        lastID = lastID % 65_535 + 1
        var copy: [UInt8] = []
        for index in payload.indices { copy.append(payload[index]) }
        if let rewrites { copy = rewrites(copy) }
        let message = Message(id: lastID, topic: topic, payload: copy, isRetained: retained, connection: plans.count)
        published.append(message)
        unacknowledged.append(message)
        sends(message)
        return .taken(id: lastID)
    }

    // MARK: The test's side

    /// The broker accepted the connection; the engine must be told.
    public func didOpen() { state = .open }

    /// The connection or the attempt broke; the engine must be told.
    public func didClose() {
        state = .closed
        unacknowledged.removeAll()
        subscriptions.removeAll()
    }

    /// Takes the message at `index` out of those that wait for an acknowledgement; the engine must be told.
    public func takeUnacknowledged(at index: Int = 0) -> Message? {
        unacknowledged.indices.contains(index) ? unacknowledged.remove(at: index) : nil
    }
}
