// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletAdapters
import MartletJournal
import MartletPosix

// A journal in a process of its own, for tests that kill it, fail its system calls or cut its power:
//
//   JournalProgram write DIR COUNT [options]   makes COUNT commits, one for each line of its input with --step; prints
//                                              "acked N" or "refused N: why", N its last record, when each returned
//   JournalProgram read DIR [options]          prints the state, the damage and the history
//
// Options: --segment BYTES, --history BYTES, --batch RECORDS of a commit, and what a test must find out:
// --broken-no-sync, --broken-no-recovery-sync, --broken-retry-sync, --broken-salt.
// Ends with 0, 1 if a record was refused, 2 for wrong arguments, 3 if the journal cannot be opened.

/// At once: what was said survives a kill.
func say(_ line: String) {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
        let written = rest.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        if written <= 0 { exit(4) }
        rest = rest.dropFirst(written)
    }
}

func fail(_ code: Int32, _ line: String) -> Never {
    say(line)
    exit(code)
}

/// Its length differs from record to record, and its content follows from its number.
func record(_ number: Int) -> [UInt8] {
    Array("record \(number) martlet-canary ".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: number * 97 % 700)
}

/// The number of a record that is whole.
func number(of bytes: [UInt8]) -> Int? {
    let words = bytes.split(separator: UInt8(ascii: " "), maxSplits: 2)
    guard words.count == 3, let number = Int(String(decoding: words[1], as: UTF8.self)) else { return nil }
    return record(number) == bytes ? number : nil
}

func copy(_ bytes: Span<UInt8>) -> [UInt8] {
    var copied: [UInt8] = []
    for index in bytes.indices { copied.append(bytes[index]) }
    return copied
}

func line(_ word: String, _ record: [UInt8]) -> String {
    number(of: record).map { "\(word) \($0)" } ?? "torn \(word) of \(record.count) bytes"
}

struct Options {
    var segment = 65_536
    var history = 262_144
    var batch = 1
    var step = false
    var fault: Fault?
    var sameSalt = false

    init?(_ words: ArraySlice<String>) {
        var words = words
        while let word = words.popFirst() {
            switch word {
            case "--segment", "--history", "--batch":
                guard let value = words.popFirst().flatMap({ Int($0) }) else { return nil }
                switch word {
                case "--segment": segment = value
                case "--history": history = value
                default: batch = value
                }
            case "--step": step = true
            case "--broken-no-sync": fault = .noSync
            case "--broken-no-recovery-sync": fault = .noRecoverySync
            case "--broken-retry-sync": fault = .retrySync
            case "--broken-salt": sameSalt = true
            default: return nil
            }
        }
    }
}

/// The records that count: the last ones. They are the snapshot of every segment.
struct State {
    private(set) var records: [[UInt8]] = []

    mutating func clear() { records = [] }

    mutating func append(_ record: [UInt8]) {
        records.append(record)
        if records.count > 8 { records.removeFirst() }
    }
}

func open(_ path: String, _ options: Options) -> Journal {
    do {
        let directory = try PrivateDirectory(creating: path)
        let master = try MasterKey.open(directory)
        var keys: any SegmentKeys = try OpenSSLSegmentKeys(master: master.span)
        if options.sameSalt { keys = BrokenKeys(keys) }
        var storage: any Storage = DirectoryStorage(directory)
        if let fault = options.fault { storage = BrokenStorage(storage, fault) }
        return Journal(
            storage: storage, keys: keys, device: Array("power-test".utf8), stream: 1, segmentSize: options.segment,
            historySize: options.history)
    } catch {
        fail(3, "cannot open \(path): \(error)")
    }
}

func recover(_ journal: Journal) -> (state: State, damage: Int) {
    var state = State()
    do {
        let found = try journal.recover { bytes, isFirst in
            if isFirst { state.clear() }
            state.append(copy(bytes))
        }
        return (state, found.damage)
    } catch {
        fail(3, "cannot recover: \(error)")
    }
}

func writeRecords(_ count: Int, _ journal: Journal, _ options: Options) {
    var (state, damage) = recover(journal)
    var next = (state.records.last.flatMap(number(of:)) ?? 0) + 1
    say("recovered \(next - 1) damage \(damage)")
    var refused = false
    for _ in 0..<count {
        if options.step && readLine() == nil { break }
        let last = next + options.batch - 1
        let fresh = (next...last).map(record)
        do {
            try journal.commit(fresh) { state.records }
            for record in fresh { state.append(record) }
            say("acked \(last)")
        } catch {
            refused = true
            say("refused \(last): \(error)")
        }
        next = last + 1
    }
    exit(refused ? 1 : 0)
}

func readRecords(_ journal: Journal) {
    let (state, damage) = recover(journal)
    for record in state.records { say(line("record", record)) }
    say("damage \(damage)")
    do {
        try journal.history { say(line("history", copy($0))) }
    } catch {
        fail(3, "cannot read the history: \(error)")
    }
}

let arguments = CommandLine.arguments
switch arguments.dropFirst().first {
case "write" where arguments.count >= 4:
    guard let count = Int(arguments[3]), let options = Options(arguments[4...]) else { fallthrough }
    writeRecords(count, open(arguments[2], options), options)
case "read" where arguments.count >= 3:
    guard let options = Options(arguments[3...]) else { fallthrough }
    readRecords(open(arguments[2], options))
default:
    fail(2, "usage: JournalProgram write DIR COUNT [--step] [options] | read DIR [options]")
}
