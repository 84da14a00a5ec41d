// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MartletController

/// One JSON object a line on standard output, for other programs; notes go to the log on standard error.
final class JSONLines: Display {
    private let logger: Logger
    private(set) var isBroken = false

    init(_ logger: Logger) { self.logger = logger }

    /// Ends the program if nobody reads any longer.
    func show(_ report: Report) {
        for object in Self.objects(report) where !isBroken && !Output.write(object.text + "\n") {
            isBroken = true
            kill(getpid(), SIGTERM)
        }
        if case .registrar(let event) = report { note(event.level, event.words) }
    }

    func note(_ level: Logger.Level, _ text: String) { logger.log(level: level, "\(text)") }

    func tick() {}

    func end() {}

    /// A line for each reading, else one.
    static func objects(_ report: Report) -> [JSON] {
        switch report {
        case .birth(let message, let birth, let standing):
            return [
                members(
                    "birth", message,
                    [
                        ("urn", .bytes(message.issuer)), ("run", .integer(birth.run)),
                        ("connection", .integer(birth.connection)), ("standing", .string(standing.text)),
                        ("key", .optional(message.keyChange) { .string($0.text) }),
                        ("software", .array(birth.software.map { .bytes($0.name + [UInt8(ascii: " ")] + $0.version) })),
                    ])
            ]
        case .telemetry(let message, let readings, let verdict):
            return readings.map { reading(message, $0, verdict) }
        case .gap(let message, let gap):
            return [
                members(
                    "gap", message,
                    [
                        ("lane", .optional(message.claims.lane) { .string($0.text) }), ("first", .integer(gap.first)),
                        ("last", .integer(gap.last)), ("readings", .integer(gap.readings)),
                        ("reason", .string(gap.reason.text)),
                    ])
            ]
        case .event(let message, let event):
            let values = event.values.map { JSON.array([.integer($0.code), .integer($0.number)]) }
            return [members("event", message, [("kind", .string(event.kind.text)), ("values", .array(values))])]
        case .receipt(let message, let receipt):
            return [
                members(
                    "receipt", message,
                    [
                        ("command", .string(hex(receipt.command))), ("outcome", .string("\(receipt.outcome)")),
                        ("results", .array(receipt.results.map(value))),
                    ])
            ]
        case .decommission(let message): return [members("decommission", message, [])]
        case .audit(let message, let lines, let verdict):
            let problem = lines.isEmpty || verdict.problem != nil ? [audit(message, verdict)] : []
            return lines.map { entry(message, $0, verdict) } + problem
        case .verdict(let device, let change):
            return [
                JSON.object(
                    [
                        ("type", .string("verdict")), ("device", .bytes(device)), ("lane", .string(change.lane.text)),
                        ("sequence", .integer(change.sequence)),
                    ] + chain(change.verdict))
            ]
        case .dated(let device, let boot, let start):
            return [
                JSON.object([
                    ("type", .string("boot")), ("device", .bytes(device)), ("boot", .string(hex(boot))),
                    ("start", .optional(timestamp(milliseconds: start), JSON.string)),
                ])
            ]
        case .presence(let device, let presence):
            return [
                JSON.object([
                    ("type", .string("presence")), ("device", .bytes(device)), ("online", .bool(presence.isOnline)),
                    ("run", .integer(presence.run)), ("connection", .integer(presence.connection)),
                ])
            ]
        case .way(let device, let way):
            return [
                JSON.object([
                    ("type", .string("way")), ("device", .bytes(device)), ("way", .string(way.rawValue)),
                ])
            ]
        case .refused(let device, let purpose, let error):
            return [
                JSON.object([
                    ("type", .string("refused")), ("device", .bytes(device)), ("topic", .string(purpose.leaf)),
                    ("reason", .string(error.words)),
                ])
            ]
        case .registrar(let event): return [registrar(event)]
        }
    }

    private static func registrar(_ event: RegistrarEvent) -> JSON {
        var members: [(String, JSON)] = [
            ("type", .string("registrar")), ("device", .bytes(event.device)),
            ("operation", .string(event.operation.rawValue)), ("outcome", .string(event.outcome.text)),
        ]
        switch event.outcome {
        case .issued(let expires):
            members.append(("expires", .optional(timestamp(milliseconds: expires * 1000), JSON.string)))
        case .refused(let status, let reason):
            members += [("status", .integer(UInt64(status))), ("reason", .string(reason))]
        case .repeated, .pending: break
        }
        return .object(members)
    }

    /// What `audit show` found in a whole log.
    static func finding(_ device: String, _ text: String) -> JSON {
        JSON.object([("type", .string("finding")), ("device", .string(device)), ("problem", .string(text))])
    }

    private static func reading(_ message: DeviceMessage, _ reading: Reading, _ verdict: LaneVerdict) -> JSON {
        members(
            "reading", message,
            [("name", .bytes(reading.name)), ("value", .optional(reading.value, value))]
                + (reading.sum.map { [("sum", .number($0))] } ?? [])
                + [
                    ("unit", .optional(reading.unit, JSON.bytes)), ("taken", time(reading.time)),
                    ("lane", .optional(message.claims.lane) { .string($0.text) }),
                    ("sequence", .optional(message.claims.sequence, JSON.integer)),
                ] + chain(verdict))
    }

    private static func entry(_ message: DeviceMessage, _ line: AuditLine, _ verdict: AuditVerdict) -> JSON {
        let (entry, time) = (line.entry, line.entry.time)
        return members(
            "audit", message,
            [
                ("index", .integer(entry.index)), ("kind", .string(entry.kindText)), ("text", .string(line.text)),
                ("time", .optional(time.seconds) { .string(AuditWords.time($0)) }), ("run", .integer(time.run)),
                ("boot", .integer(time.boot)), ("values", .array(entry.values.map(value))),
                ("verdict", .string(verdict.text)),
            ])
    }

    /// A verdict that is on no entry.
    private static func audit(_ message: DeviceMessage, _ verdict: AuditVerdict) -> JSON {
        members(
            "audit", message,
            [("verdict", .string(verdict.text)), ("problem", .optional(verdict.problem, JSON.string))])
    }

    private static func value(_ value: AuditValue) -> JSON {
        switch value {
        case .number(let number): .integer(number)
        case .bytes(let bytes): .string(hex(bytes))
        case .text(let text): .bytes(text)
        }
    }

    private static func members(_ type: String, _ message: DeviceMessage, _ rest: [(String, JSON)]) -> JSON {
        .object(
            [
                ("type", .string(type)), ("device", .bytes(message.device)),
                ("clock", .optional(message.claims.clock) { .string($0.text) }),
                (
                    "signed",
                    .optional(message.claims.issuedAt.flatMap { timestamp(milliseconds: Int64(clamping: $0) * 1000) }) {
                        .string($0)
                    }
                ),
            ] + rest)
    }

    private static func chain(_ verdict: LaneVerdict) -> [(String, JSON)] {
        var members: [(String, JSON)] = [("verdict", .string(verdict.text))]
        if case .fork(let rival) = verdict { members.append(("rival", .integer(rival))) }
        if case .explained(let uncovered) = verdict { members.append(("uncovered", .integer(uncovered))) }
        return members
    }

    private static func value(_ value: Reading.Value) -> JSON {
        switch value {
        case .number(let number): .number(number)
        case .text(let text): .bytes(text)
        case .boolean(let boolean): .bool(boolean)
        case .data(let data): .object([("data", .string(hex(data)))])
        }
    }

    private static func value(_ value: CommandValue) -> JSON {
        switch value {
        case .integer(let integer): .number(Double(integer))
        case .number(let number): .number(number)
        case .boolean(let boolean): .bool(boolean)
        case .text(let text): .bytes(text)
        case .data(let data): .object([("data", .string(hex(data)))])
        }
    }

    /// A text if the time is known, else the place in a boot, to be dated by a `boot` line.
    private static func time(_ time: ReadingTime) -> JSON {
        switch time {
        case .absolute(let milliseconds): .optional(timestamp(milliseconds: milliseconds), JSON.string)
        case .sinceBoot(let boot, let milliseconds):
            .object([("boot", .string(hex(boot))), ("milliseconds", .number(Double(milliseconds)))])
        case .unknown: .null
        }
    }
}
