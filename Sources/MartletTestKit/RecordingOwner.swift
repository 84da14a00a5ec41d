// SPDX-License-Identifier: Apache-2.0

public import MartletCommands
public import MartletSession

/// Records what the engine says to whoever owns it. Handlers run when the test says so.
public final class RecordingOwner: EngineOwner {
    public var logLevel = LogLevel.debug
    public private(set) var lines: [(level: LogLevel, bytes: [UInt8])] = []
    /// Accepted commands, in the order of their acceptance.
    public private(set) var commands: [AcceptedCommand] = []
    /// Those whose handlers must not begin any more.
    public private(set) var withdrawn: [CommandKey] = []
    public private(set) var states: [ConnectionState] = []
    /// Whether the board has power; without it no handler begins.
    var hasPower: () -> Bool = { true }

    public init() {}

    public func log(_ level: LogLevel, _ line: LogLine) { lines.append((level, line.bytes)) }

    public func execute(_ command: AcceptedCommand) {
        if hasPower() { commands.append(command) }
    }

    public func reconsider(_ allows: (AcceptedCommand) -> Bool) {
        for command in commands where !allows(command) { withdrawn.append(command.key) }
    }

    public func changed(_ state: ConnectionState) { states.append(state) }
}
