// SPDX-License-Identifier: Apache-2.0

public import MartletCommands

/// What a connection is opened with.
public struct ConnectionPlan {
    /// Seconds since 1970 at which the server's certificate is judged.
    public let verificationTime: Int64
    /// The clock cannot tell whether a certificate is valid already: "not yet valid" alone is no reason to refuse,
    /// since our authority's signature proves that our clock is behind.
    public let acceptsNotYetValid: Bool
    /// What the broker publishes, retained, when the connection is lost.
    public let willTopic: [UInt8]
    public let will: [UInt8]
    /// Boot time in milliseconds.
    public let now: UInt64

    /// The same, for an attempt at another boot time.
    @inline(never)
    package func later(_ now: UInt64) -> ConnectionPlan {
        ConnectionPlan(
            verificationTime: verificationTime &+ Int64(clamping: now > self.now ? (now - self.now) / 1000 : 0),
            acceptsNotYetValid: acceptsNotYetValid, willTopic: willTopic, will: will, now: now)
    }
}

/// Why a connection ended, as far as the session cares; the text is for people.
public struct LinkFailure: Sendable {
    public let text: [UInt8]
    /// Milliseconds that the back end wants to be left alone.
    public let pause: UInt64

    public init(text: [UInt8], pause: UInt64 = 0) {
        self.text = text
        self.pause = pause
    }

    @inline(never)
    public init(_ text: StaticString) {
        var line = LogLine()
        line.text(text)
        self.init(text: line.bytes)
    }
}

/// One way to the back end. All calls, and all calls of the engine that it makes, are on one thread.
public protocol Link: AnyObject {
    /// What it connects to, for people: `broker.example:8883`.
    var server: [UInt8] { get }
    /// The most messages that may wait for their acknowledgement at once, while connected.
    var window: Int { get }
    /// Begins to connect. Later, not during this call, the engine hears `connected` or `closed`.
    func open(_ plan: ConnectionPlan)
    /// Ends the connection or the attempt at once; the engine hears nothing more of it.
    func abort()
    /// Whether the server's certificate, accepted as "not yet valid", is within its time at `seconds` since 1970.
    func isServerValid(at seconds: Int64) -> Bool
    /// Sends what is queued, says goodbye, and ends; the engine hears `closed`. What arrives is not acknowledged.
    func disconnect()
    /// False if it could not be sent; the connection then closes.
    func subscribe(_ topics: [[UInt8]]) -> Bool
    /// Sends with QoS 1.
    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult
}

public enum PublishResult {
    /// `acknowledged` tells the id again.
    case taken(id: Int32)
    /// Later.
    case windowFull
    /// Never by this link: longer than the broker takes.
    case tooLarge
}

/// Whoever owns an engine. Called on the engine's thread.
public protocol EngineOwner: AnyObject {
    /// Lines above this level are not built.
    var logLevel: LogLevel { get }
    func log(_ level: LogLevel, _ line: LogLine)
    /// Run the handler, off this thread, and call `Engine.finished` on it.
    func execute(_ command: AcceptedCommand)
    /// Policy has changed. Let no handler begin of those commands that `allows` is false for, and call
    /// `Engine.finished` with `outOfPolicy` on them, later. Handlers that have begun go on.
    func reconsider(_ allows: (AcceptedCommand) -> Bool)
    func changed(_ state: ConnectionState)
}

/// Whether the back end can be reached.
public enum ConnectionState: UInt8, Sendable {
    case disconnected = 0
    case connecting = 1
    case connected = 2
}
