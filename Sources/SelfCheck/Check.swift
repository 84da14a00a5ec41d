// SPDX-License-Identifier: Apache-2.0

import CSelfCheck

/// One rule, and what tries it.
struct Check {
    let what: StaticString
    let body: () throws(Failure) -> Void

    init(_ what: StaticString, _ body: @escaping () throws(Failure) -> Void) {
        self.what = what
        self.body = body
    }
}

/// Why a check failed.
struct Failure: Error {
    let why: StaticString
    /// Which step, or which value; nil where there is but one.
    var number: Int64?
    var name: StaticString?
}

/// Fails the check unless `isTrue`.
func require(
    _ isTrue: Bool, _ why: StaticString, number: Int64? = nil, name: StaticString? = nil
) throws(Failure) {
    if !isTrue { throw Failure(why: why, number: number, name: name) }
}

/// What is there, or a failed check.
func require<Value>(
    _ value: Value?, _ why: StaticString, number: Int64? = nil, name: StaticString? = nil
) throws(Failure) -> Value {
    guard let value else { throw Failure(why: why, number: number, name: name) }
    return value
}

/// Runs all of them. True if none failed.
func run(_ checks: [Check]) -> Bool {
    var passed: Int64 = 0
    var failed: Int64 = 0
    for check in checks {
        var line = Line()
        do throws(Failure) {
            try check.body()
            passed += 1
            line.add("ok - ")
            line.add(check.what)
        } catch {
            failed += 1
            line.add("not ok - ")
            line.add(check.what)
            line.add(" (")
            line.add(error.why)
            if let number = error.number {
                line.add(" ")
                line.add(number)
            }
            if let name = error.name {
                line.add(" ")
                line.add(name)
            }
            line.add(")")
        }
        line.write()
    }
    var line = Line()
    line.add(passed)
    line.add(" passed, ")
    line.add(failed)
    line.add(" failed")
    line.write()
    return failed == 0
}

/// Tells a number that a reader of the output may want: "# what: 12 unit".
func note(_ what: StaticString, _ number: Int64, _ unit: StaticString = "") {
    var line = Line()
    line.add("# ")
    line.add(what)
    line.add(": ")
    line.add(number)
    line.add(unit)
    line.write()
}

/// One line of output.
private struct Line {
    private var bytes: [UInt8] = []

    mutating func add(_ text: StaticString) {
        for index in 0..<text.utf8CodeUnitCount { bytes.append(text.utf8Start[index]) }
    }

    mutating func add(_ number: Int64) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.insert(UInt8(ascii: "0") + UInt8(rest % 10), at: start)
            rest /= 10
        } while rest > 0
    }

    mutating func write() {
        bytes.append(UInt8(ascii: "\n"))
        bytes.withUnsafeBufferPointer { CSelfCheck_write($0.baseAddress, $0.count) }
    }
}
