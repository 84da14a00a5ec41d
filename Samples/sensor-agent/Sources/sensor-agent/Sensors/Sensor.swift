// SPDX-License-Identifier: Apache-2.0

import Martlet

/// What reads one kind of sensor. It looks for its instances once, when it is made, and reads them at every call.
protocol Sensor: AnyObject {
    /// Adds what can be read now. What cannot is left out, with a note when that begins and one when it ends.
    func read(into report: inout Report)
}

/// One round of readings.
struct Report {
    private(set) var readings: [Reading] = []
    private(set) var notes: [Note] = []

    @inline(never)
    mutating func add(_ name: String, _ value: Double, _ unit: StaticString) {
        readings.append(Reading(name: name, unit: unit, value: value))
    }

    mutating func note(_ level: LogLevel, _ text: Text) {
        notes.append(Note(level: level, text: text))
    }
}

/// A file that readings come from, and whether it gave them the last time.
struct Source {
    let path: Path
    /// Longest content that counts.
    let limit: Int
    private var isFailing = false

    init(_ path: Path, limit: Int = 4096) {
        self.path = path
        self.limit = limit
    }

    /// What `parse` makes of the file; nil if it cannot be read or `parse` makes nothing of it.
    mutating func read<Result>(into report: inout Report, _ parse: (Span<UInt8>) -> Result?) -> Result? {
        guard let bytes = content(into: &report) else { return nil }
        let result = parse(bytes.span)
        note(isUnderstood: result != nil, into: &report)
        return result
    }

    @inline(never)
    private mutating func content(into report: inout Report) -> [UInt8]? {
        do throws(SystemError) {
            return try System.read(path, limit: limit)
        } catch {
            fail(error.text, into: &report)
            return nil
        }
    }

    @inline(never)
    private mutating func note(isUnderstood: Bool, into report: inout Report) {
        if isUnderstood {
            succeed(into: &report)
        } else {
            fail(Text("its content is not understood"), into: &report)
        }
    }

    @inline(never)
    mutating func fail(_ reason: Text, into report: inout Report) {
        guard !isFailing else { return }
        isFailing = true
        var text = Text()
        text.add(path)
        text.add(": ")
        text.add(reason)
        text.add(", left out until it can be read")
        report.note(.warning, text)
    }

    @inline(never)
    mutating func succeed(into report: inout Report) {
        guard isFailing else { return }
        isFailing = false
        var text = Text()
        text.add(path)
        text.add(": can be read again")
        report.note(.info, text)
    }
}
