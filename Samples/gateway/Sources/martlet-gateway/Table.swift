// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MartletController

/// A table on the terminal: the devices, the newest value of each reading, and the last messages.
final class Table: Display {
    let isBroken = false

    /// More rows than a terminal shows; the oldest go first.
    private static let maximumRows = 200
    private static let maximumMessages = 8
    /// Of one device.
    private static let maximumOpen = 1000
    /// Milliseconds between two drawings.
    private static let interval: UInt64 = 250

    private struct Device {
        var isOnline: Bool?
        var way = ""
        var run: UInt64 = 0
        var clock = ""
        var standing = ""
        /// How many envelopes have each verdict.
        private(set) var verdicts: [String: Int] = [:]
        /// Those whose verdict may still become better.
        private var open: [Place: LaneVerdict] = [:]
        /// Readings that the device gave up, by the reason.
        var givenUp: [String: UInt64] = [:]
        var refused = 0

        mutating func count(_ verdict: LaneVerdict, lane: Lane?, sequence: UInt64?) {
            verdicts[verdict.text, default: 0] += 1
            guard let lane, let sequence, verdict != .duplicate else { return }
            let place = Place(lane: lane, sequence: sequence)
            if let before = open.removeValue(forKey: place) { verdicts[before.text, default: 1] -= 1 }
            if verdict == .waiting || verdict == .hole, open.count < Table.maximumOpen { open[place] = verdict }
        }
    }

    private struct Place: Hashable {
        let lane: Lane
        let sequence: UInt64
    }

    private struct Row {
        let device: String
        let name: String
        var value = ""
        var unit = ""
        var time = ""
        var verdict = ""
    }

    private let port: UInt16
    private var state = "connecting"
    private var devices: [String: Device] = [:]
    private var rows: [Row] = []
    private var messages: [String] = []
    private var isChanged = true
    private var nextDrawing: UInt64 = 0

    init(port: UInt16) {
        self.port = port
        // The alternative screen, without a cursor.
        Output.write("\u{1b}[?1049h\u{1b}[?25l")
    }

    func end() { Output.write("\u{1b}[?25h\u{1b}[?1049l") }

    func note(_ level: Logger.Level, _ text: String) {
        if level >= .info { state = text }
        if level >= .warning { say(text) }
        isChanged = true
    }

    func tick() {
        let now = SystemClock.bootMilliseconds()
        guard isChanged, now >= nextDrawing else { return }
        nextDrawing = now + Self.interval
        isChanged = false
        draw()
    }

    func show(_ report: Report) {
        isChanged = true
        switch report {
        case .birth(let message, let birth, let standing):
            let device = printable(message.device)
            devices[device, default: Device()].run = birth.run
            devices[device]?.clock = message.claims.clock?.text ?? ""
            devices[device]?.standing = standing.text
            if standing == .older { say("\(device): a birth that is older than one seen: rolled back or replayed") }
        case .telemetry(let message, let readings, let verdict):
            let device = printable(message.device)
            devices[device, default: Device()].clock = message.claims.clock?.text ?? ""
            devices[device]?.count(verdict, lane: message.claims.lane, sequence: message.claims.sequence)
            if verdict == .duplicate { break }
            for reading in readings { set(device, reading, verdict) }
        case .verdict(let device, let change):
            let device = printable(device)
            devices[device, default: Device()].count(change.verdict, lane: change.lane, sequence: change.sequence)
            say("\(device): \(change.lane.text) \(change.sequence) is now \(change.verdict.text)")
        case .gap(let message, let gap):
            let device = printable(message.device)
            let count = devices[device, default: Device()].givenUp[gap.reason.text] ?? 0
            devices[device]?.givenUp[gap.reason.text] = count &+ gap.readings
            say(
                "\(device): gave up \(gap.readings) readings in \(gap.first)-\(gap.last): \(gap.reason.text)"
            )
        case .event(let message, let event):
            say("\(printable(message.device)): event \(event.words)")
        case .receipt(let message, let receipt):
            say("\(printable(message.device)): command \(hex(receipt.command)): \(receipt.outcome.words)")
        case .decommission(let message): say("\(printable(message.device)): has retired")
        case .audit(let message, let lines, let verdict):
            let device = printable(message.device)
            for line in lines { say("\(device): audit \(line.entry.index): \(line.text)") }
            if let problem = verdict.problem { say("\(device): AUDIT LOG: \(problem)") }
        case .dated(let device, _, let start):
            say("\(printable(device)): this boot began at \(timestamp(milliseconds: start) ?? "an impossible time")")
        case .presence(let device, let presence):
            devices[printable(device), default: Device()].isOnline = presence.isOnline
        case .way(let device, let way): devices[printable(device), default: Device()].way = way.rawValue
        case .refused(let device, let purpose, let error):
            devices[printable(device), default: Device()].refused += 1
            say("\(printable(device)): \(purpose.leaf) refused: \(error.words)")
        case .registrar(let event): say(event.words)
        }
    }

    private func set(_ device: String, _ reading: Reading, _ verdict: LaneVerdict) {
        var row = Row(device: device, name: printable(reading.name, limit: 40))
        row.value = Self.value(reading)
        row.unit = reading.unit.map { printable($0) } ?? ""
        row.verdict = verdict.text
        switch reading.time {
        case .absolute(let milliseconds): row.time = timestamp(milliseconds: milliseconds) ?? "?"
        case .sinceBoot(_, let milliseconds): row.time = "boot + \(decimal(Double(milliseconds) / 1000)) s"
        case .unknown: row.time = "?"
        }
        if let index = rows.firstIndex(where: { $0.device == row.device && $0.name == row.name }) {
            rows[index] = row
        } else {
            rows.append(row)
            if rows.count > Self.maximumRows { rows.removeFirst() }
            rows.sort { ($0.device, $0.name) < ($1.device, $1.name) }
        }
    }

    private static func value(_ reading: Reading) -> String {
        switch reading.value {
        case .number(let number): decimal(number)
        case .text(let text): printable(text, limit: 24)
        case .boolean(let boolean): boolean ? "true" : "false"
        case .data(let data): hex(Array(data.prefix(12)))
        case nil: reading.sum.map { "sum " + decimal($0) } ?? ""
        }
    }

    private func say(_ text: String) {
        messages.append((timestamp(milliseconds: SystemClock.unixMilliseconds()) ?? "") + "  " + text)
        if messages.count > Self.maximumMessages { messages.removeFirst() }
    }

    private func draw() {
        var size = winsize()
        let isKnown = ioctl(1, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 0 && size.ws_col > 0
        let (height, width) = isKnown ? (Int(size.ws_row), Int(size.ws_col)) : (24, 80)
        var lines = ["Martlet gateway, port \(port): \(state)", ""]
        for name in devices.keys.sorted() { lines.append(Self.line(name, devices[name] ?? Device())) }
        lines.append("")
        let bottom = messages.isEmpty ? 0 : messages.count + 1
        let room = max(0, height - lines.count - bottom - 1)
        lines.append(Self.columns("device", "reading", "value", "unit", "time", "verdict"))
        for row in rows.prefix(room) {
            lines.append(Self.columns(row.device, row.name, row.value, row.unit, row.time, row.verdict))
        }
        if !messages.isEmpty { lines += [""] + messages }
        // Home; each line cleared to its end, and what is below the last one.
        let text = lines.prefix(height).map { $0.prefix(width) + "\u{1b}[K" }.joined(separator: "\n")
        Output.write("\u{1b}[H" + text + "\u{1b}[J")
    }

    private static func line(_ name: String, _ device: Device) -> String {
        let presence = device.isOnline.map { $0 ? "online" : "offline" } ?? "unknown"
        let verdicts = device.verdicts.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map {
            "\($0.key) \($0.value)"
        }
        var line = pad(name, 20) + pad(presence, 9) + pad(device.way, 6) + "run \(device.run)  birth \(device.standing)"
        line += "  clock \(device.clock)  chain: " + (verdicts.isEmpty ? "-" : verdicts.joined(separator: ", "))
        let givenUp = device.givenUp.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        if !givenUp.isEmpty { line += "  given up: " + givenUp.joined(separator: ", ") }
        return device.refused > 0 ? line + "  REFUSED \(device.refused)" : line
    }

    private static func columns(_ texts: String...) -> String {
        zip(texts, [20, 32, 16, 8, 26, 10]).map { pad($0, $1) }.joined()
    }

    private static func pad(_ text: String, _ width: Int) -> String {
        text.count >= width ? text.prefix(width - 1) + " " : text + String(repeating: " ", count: width - text.count)
    }
}
