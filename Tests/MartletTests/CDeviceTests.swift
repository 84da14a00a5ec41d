// SPDX-License-Identifier: Apache-2.0

import CMartlet
import Foundation
import Martlet
import MartletController
import MartletMessages
import MartletPosix
import TestSupport
import Testing

/// The C interface with a real broker and back end. What needs neither is tested in C.
@Suite(.serialized, .timeLimit(.minutes(3))) struct CDeviceTests {
    /// What a handler or log callback does.
    final class Callback: Sendable {
        let run: @Sendable (OpaquePointer?) -> Int32
        init(_ run: @escaping @Sendable (OpaquePointer?) -> Int32) { self.run = run }
        var user: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }
    }

    /// A handle that callbacks use too.
    final class Handle: @unchecked Sendable {
        var device: OpaquePointer?
    }

    static let handler: martlet_handler = { call, user in
        user.map { Unmanaged<Callback>.fromOpaque($0).takeUnretainedValue().run(call) } ?? -1
    }

    static let log: martlet_log = { _, _, user in
        _ = user.map { Unmanaged<Callback>.fromOpaque($0).takeUnretainedValue().run(nil) }
    }

    /// Opens the device of a folder; it logs to there.
    func open(_ folder: DeviceFolder, program: String? = nil) -> OpaquePointer? {
        var options = martlet_options()
        options.size = MemoryLayout<martlet_options>.size
        options.log_level = Int32(MARTLET_LOG_DEBUG)
        options.user = Unmanaged.passUnretained(folder).toOpaque()
        options.log = { level, line, user in
            guard let line, let user else { return }
            let log = Unmanaged<DeviceFolder>.fromOpaque(user).takeUnretainedValue().log
            log.with { $0.append("\(level): \(String(cString: line))") }
            log.notify()
        }
        var device: OpaquePointer?
        guard let program else {
            expect(martlet_open(folder.configuration, &options, &device))
            return device
        }
        program.withCString { name in
            options.program = name
            options.program_version = name
            expect(martlet_open(folder.configuration, &options, &device))
        }
        return device
    }

    var text: String { String(cString: martlet_error_text()) }

    @Test("CAPI-01 the numbers of the header never change")
    func numbers() {
        let codes = [
            MARTLET_OK, MARTLET_ERROR_CONFIGURATION, MARTLET_ERROR_FILE, MARTLET_ERROR_IDENTITY, MARTLET_ERROR_STATE,
            MARTLET_ERROR_ARGUMENT, MARTLET_ERROR_FULL, MARTLET_ERROR_UNSUPPORTED, MARTLET_ERROR_WRONG_STATE,
            MARTLET_ERROR_SYSTEM, MARTLET_ERROR_HANDLE,
        ]
        #expect(codes == Array(0...10))
        let same: [MartletError.Code] = [
            .configuration, .file, .identity, .state, .argument, .full, .unsupported, .wrongState, .system,
        ]
        #expect(same.map { Int($0.rawValue) } == Array(1...9))
        #expect([MARTLET_INTEGER, MARTLET_NUMBER, MARTLET_BOOLEAN, MARTLET_TEXT, MARTLET_DATA] == Array(1...5))
        #expect([MARTLET_LOG_ERROR, MARTLET_LOG_WARNING, MARTLET_LOG_INFO, MARTLET_LOG_DEBUG] == Array(0...3))
        #expect([MARTLET_DISCONNECTED, MARTLET_CONNECTING, MARTLET_CONNECTED] == Array(0...2))
        #expect(LogLevel.allCases.map { Int($0.rawValue) } == [0, 1, 2, 3])
        let states: [ConnectionState] = [.disconnected, .connecting, .connected]
        #expect(states.map { Int($0.rawValue) } == [0, 1, 2])
        #expect(String(cString: martlet_version()) == "\(MartletVersion.string)")
        #expect(MemoryLayout<martlet_options>.size == 48)
        #expect(MemoryLayout<martlet_parameter>.size == 40)
        #expect(MemoryLayout<martlet_device_status>.size == 40)
    }

    @Test func `a handler in C gets its arguments, answers in the receipt, and its call ends with it`() throws {
        let bench = try Bench()
        let device = open(bench)
        let calls = Guarded<[OpaquePointer?]>([])
        let callback = Callback { call in
            calls.with { $0.append(call) }
            var integer: Int64 = 0
            var (number, boolean) = (0.0, Int32(0))
            var text = [CChar](repeating: 1, count: 6)
            var data = [UInt8](repeating: 9, count: 4)
            var length = 0
            expect(martlet_call_integer(call, 0, &integer))
            expect(martlet_call_number(call, 1, &number))
            expect(martlet_call_boolean(call, 2, &boolean))
            expect(martlet_call_text(call, 3, &text, 6))
            expect(martlet_call_data(call, 4, &data, 4, &length))
            #expect(integer == -7)
            #expect(number == 2)
            #expect(boolean == 1)
            #expect(text == [0x68, 0x65, 0x6c, 0x6c, 0x6f, 0])
            #expect(data == [1, 0, 255, 9])
            #expect(length == 3)
            // CAPI-01: what does not fit.
            let bad = MARTLET_ERROR_ARGUMENT
            for index in [1, 2, 3, 4, 5, 8, .max, -1] { expect(martlet_call_integer(call, index, &integer), bad) }
            for index in [0, 2, 3, 4, 5, -1] { expect(martlet_call_number(call, index, &number), bad) }
            for index in [0, 1, 3, 4, 5, -1] { expect(martlet_call_boolean(call, index, &boolean), bad) }
            for index in [0, 1, 2, 4, 5, -1] { expect(martlet_call_text(call, index, &text, 6), bad) }
            for index in [0, 1, 2, 3, 5, -1] { expect(martlet_call_data(call, index, &data, 4, &length), bad) }
            for size in [0, 5, -1, .min] { expect(martlet_call_text(call, 3, &text, size), bad) }
            for size in [0, 2, -1, .min] { expect(martlet_call_data(call, 4, &data, size, &length), bad) }
            expect(martlet_call_integer(call, 0, nil), bad)
            expect(martlet_call_number(call, 1, nil), bad)
            expect(martlet_call_boolean(call, 2, nil), bad)
            expect(martlet_call_text(call, 3, nil, 6), bad)
            expect(martlet_call_data(call, 4, nil, 4, &length), bad)
            expect(martlet_call_data(call, 4, &data, 4, nil), bad)
            expect(martlet_call_add_number(call, .nan), bad)
            expect(martlet_call_add_number(call, -.infinity), bad)
            expect(martlet_call_add_text(call, [CChar(bitPattern: 0xff)], 1), bad)
            expect(martlet_call_add_text(call, nil, 1), bad)
            expect(martlet_call_add_text(call, nil, -1), bad)
            expect(martlet_call_add_data(call, nil, 1), bad)
            expect(martlet_call_add_data(call, &data, 1025), bad)
            // A call is no device.
            expect(martlet_close(call, 0), MARTLET_ERROR_HANDLE)

            expect(martlet_call_add_integer(call, .min))
            expect(martlet_call_add_number(call, 0.5))
            expect(martlet_call_add_boolean(call, -3))
            expect(martlet_call_add_text(call, "ä\0", 3))
            expect(martlet_call_add_data(call, data, 3))
            expect(martlet_call_add_data(call, nil, 0))
            expect(martlet_call_add_text(call, nil, 0))
            expect(martlet_call_add_integer(call, 8))
            expect(martlet_call_add_integer(call, 9), bad)
            return 0
        }
        let failing = Callback { call in
            _ = martlet_call_add_integer(call, 1)
            return 1
        }
        let parameters = [MARTLET_INTEGER, MARTLET_NUMBER, MARTLET_BOOLEAN, MARTLET_TEXT, MARTLET_DATA].map {
            martlet_parameter(kind: Int32($0), maximum_length: 5, minimum: -7, maximum: 7, lowest: -2, highest: 2)
        }
        expect(martlet_on_command(device, "all", parameters, 5, Self.handler, callback.user))
        expect(martlet_on_command(device, "fail", nil, 0, Self.handler, failing.user))
        var descriptor: Int32 = -1
        expect(martlet_fd(device, &descriptor))
        expect(martlet_start(device))
        try bench.waitForLog("resumed this run")
        let values: [CommandValue] = [
            .integer(-7), .integer(2), .boolean(true), .text(Array("hello".utf8)), .data([1, 0, 255]),
        ]
        let command = try bench.backEnd.command("all", values)
        #expect(isReadable(descriptor))
        expect(martlet_dispatch(device))
        let receipt = try bench.backEnd.receipt(for: command)
        #expect(receipt.outcome == .done)
        #expect(
            receipt.results == [
                .integer(.min), .number(0.5), .boolean(true), .text([0xc3, 0xa4, 0]), .data([1, 0, 255]), .data([]),
                .text([]), .integer(8),
            ])
        let ended = try #require(calls.with { $0.first })
        expect(martlet_call_add_integer(ended, 1), MARTLET_ERROR_HANDLE)
        #expect(text.contains("handle"))

        let failed = try bench.backEnd.command("fail")
        #expect(isReadable(descriptor))
        expect(martlet_dispatch(device))
        let answer = try bench.backEnd.receipt(for: failed)
        #expect(answer.outcome == .failed && answer.results.isEmpty)

        var status = martlet_device_status()
        status.size = MemoryLayout<martlet_device_status>.size
        expect(martlet_status(device, &status))
        #expect(status.connection == Int32(MARTLET_CONNECTED))
        expect(martlet_report_number(device, "temperature", 21.5, "Cel", Int32(MARTLET_LANE_NORMAL), 0))
        expect(martlet_report_text(device, "name", "pump", 4, Int32(MARTLET_LANE_NORMAL), 0))
        expect(martlet_report_data(device, "raw", [UInt8]([0, 1]), 2, Int32(MARTLET_LANE_NORMAL), 0))
        expect(martlet_close(device, 5))
        let readings = try bench.backEnd.waitFor("readings") { state in
            let all = bench.backEnd.readings(state)
            return all.count == 3 ? all : nil
        }
        #expect(
            readings.map { $0.reading.value } == [
                .number(21.5), .text(Array("pump".utf8)), .data([0, 1]),
            ])
        withExtendedLifetime((callback, failing)) {}
    }

    @Test("CAPI-02 a handler may close its device", arguments: [true, false])
    func closeInHandler(hasLoop: Bool) throws {
        let bench = try Bench()
        let handle = Handle()
        let codes = Guarded<[Int32]>([])
        let callback = Callback { call in
            let first = martlet_close(handle.device, 0)
            let added = martlet_call_add_integer(call, 1)
            let second = martlet_close(handle.device, 0)
            codes.with { $0 = [first, added, second] }
            codes.notify()
            return 0
        }
        let device = open(bench)
        handle.device = device
        expect(martlet_on_command(device, "close", nil, 0, Self.handler, callback.user))
        var descriptor: Int32 = -1
        if hasLoop { expect(martlet_fd(device, &descriptor)) }
        expect(martlet_start(device))
        try bench.waitForLog("resumed this run")
        _ = try bench.backEnd.command("close")
        if hasLoop {
            #expect(isReadable(descriptor))
            expect(martlet_dispatch(device))
        }
        let expected = [Int32(MARTLET_OK), Int32(MARTLET_OK), Int32(MARTLET_ERROR_HANDLE)]
        #expect(codes.wait(milliseconds: 30_000) { $0.isEmpty ? nil : $0 } == expected)
        expect(martlet_report_boolean(device, "late", 1, Int32(MARTLET_LANE_NORMAL), 0), MARTLET_ERROR_HANDLE)
        // The state is free again.
        expect(martlet_open(bench.configuration, nil, &handle.device))
        #expect(handle.device != device)
        expect(martlet_close(handle.device, 0))
        withExtendedLifetime(callback) {}
    }

    @Test("CMD-05 what C declares idempotent is carried out again by the next run", arguments: [true, false])
    func idempotent(_ isIdempotent: Bool) throws {
        let bench = try Bench()
        let handle = Handle()
        let calls = Guarded(0)
        let callback = Callback { _ in
            // The first run ends before the outcome is known.
            if calls.with({ $0 }) == 0 { _ = martlet_close(handle.device, 0) }
            calls.with { $0 += 1 }
            calls.notify()
            return 0
        }
        func run() {
            handle.device = open(bench)
            let declare = isIdempotent ? martlet_on_idempotent_command : martlet_on_command
            expect(declare(handle.device, "close", nil, 0, Self.handler, callback.user))
            expect(martlet_start(handle.device))
        }
        run()
        try bench.waitForLog("resumed this run")
        let command = try bench.backEnd.command("close")
        #expect(calls.wait(milliseconds: 30_000) { $0 == 1 ? true : nil } == true)
        run()
        #expect(try bench.backEnd.receipt(for: command).outcome == (isIdempotent ? .done : .interrupted))
        #expect(calls.with { $0 } == (isIdempotent ? 2 : 1))
        expect(martlet_close(handle.device, 0))
        withExtendedLifetime(callback) {}
    }

    @Test(
        "NET-01 with [https] a device in C has a way without a broker, and another beside it, however it is opened",
        arguments: [nil, "agent"])
    func https(program: String?) throws {
        let bench = try HTTPSBench(["wait = 2", "failover = 1"], withBroker: program != nil)
        let calls = Guarded(0)
        let callback = Callback { call in
            calls.with { $0 += 1 }
            expect(martlet_call_add_integer(call, 42))
            return 0
        }
        let device = open(bench, program: program)
        expect(martlet_on_command(device, "count", nil, 0, Self.handler, callback.user))
        expect(martlet_start(device))
        try bench.waitForLog("resumed this run")
        #expect(bench.state.with { $0.requests.isEmpty } == (program != nil))
        bench.proxy?.refusing = true
        bench.proxy?.cut()
        _ = try bench.waitFor("exchange") { $0.requests.isEmpty ? nil : true }
        let command = try bench.backEnd.command("count")
        let receipt = try bench.backEnd.receipt(for: command)
        #expect(receipt.outcome == .done && receipt.results == [.integer(42)])
        expect(martlet_report_number(device, "temperature", 21.5, "Cel", Int32(MARTLET_LANE_NORMAL), 1))
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).first }
        #expect(isConnected(device))
        expect(martlet_close(device, 5))
        #expect(calls.with { $0 } == 1)
        #expect(bench.backEnd.state.with { $0.refused }.isEmpty && bench.state.with { $0.faults } == [])
        withExtendedLifetime(callback) {}
    }

    @Test func `the library's own commands have no other handler`() throws {
        let bench = try Bench()
        let device = open(bench)
        let (code, handler) = (MARTLET_ERROR_ARGUMENT, Self.handler)
        for name in ["suspend", "activate"] {
            expect(martlet_on_command(device, name, nil, 0, handler, nil), code)
            expect(martlet_on_idempotent_command(device, name, nil, 0, handler, nil), code)
        }
        expect(martlet_close(device, 0))
    }

    @Test func `without options there is HTTPS as well, and a bad line of it is named`() throws {
        let bench = try HTTPSBench()
        var device: OpaquePointer?
        expect(martlet_open(bench.configuration, nil, &device))
        expect(martlet_start(device))
        _ = try bench.waitFor("exchange") { $0.requests.isEmpty ? nil : true }
        expect(martlet_close(device, 0))
        try bench.configure(https: ["wait = 51"])
        expect(martlet_open(bench.configuration, nil, &device), MARTLET_ERROR_CONFIGURATION)
        #expect(text.hasSuffix(": wait is an integer from 0 to 50"), "\(text)")
    }

    @Test("CAPI-02 a log callback may close its device, and is not called any longer")
    func closeInLog() throws {
        let bench = try Bench()
        let handle = Handle()
        let lines = Guarded<[Int32]>([])
        let mayGoOn = Guarded(false)
        let callback = Callback { _ in
            let code = isConnected(handle.device) ? martlet_close(handle.device, 0) : -1
            lines.with { $0.append(code) }
            lines.notify()
            if code == 0 { _ = mayGoOn.wait(milliseconds: 30_000) { $0 ? true : nil } }
            return 0
        }
        var options = martlet_options()
        options.size = MemoryLayout<martlet_options>.size
        options.log_level = Int32(MARTLET_LOG_DEBUG)
        options.log = Self.log
        options.user = callback.user
        expect(martlet_open(bench.configuration, &options, &handle.device))
        expect(martlet_start(handle.device))
        #expect(lines.wait(milliseconds: 30_000) { $0.last == 0 ? true : nil } == true)
        // Its thread has yet to flush and to write.
        expect(martlet_open(bench.configuration, nil, &handle.device), MARTLET_ERROR_STATE)
        mayGoOn.with { $0 = true }
        mayGoOn.notify()
        var code = Int32(MARTLET_ERROR_STATE)
        for _ in 0..<300 where code == Int32(MARTLET_ERROR_STATE) {
            code = martlet_open(bench.configuration, nil, &handle.device)
            if code != 0 { usleep(10_000) }
        }
        #expect(code == 0, "\(text)")
        #expect(lines.with { $0.last } == 0)
        expect(martlet_close(handle.device, 0))
        withExtendedLifetime(callback) {}
    }

    @Test func `an error text is cut between two characters, and belongs to its thread`() throws {
        var device: OpaquePointer?
        let path = "/no/" + String(repeating: "\u{20ac}", count: 100)
        expect(martlet_open(path, nil, &device), MARTLET_ERROR_CONFIGURATION)
        let bytes = Array(UnsafeBufferPointer(start: martlet_error_text(), count: 256)).prefix { $0 != 0 }
        #expect(bytes.count < 256)
        #expect(String(validating: bytes, as: UTF8.self) != nil)
        let other = Guarded<String?>(nil)
        let thread = try MartletPosix.Thread { other.with { $0 = String(cString: martlet_error_text()) } }
        thread.join()
        #expect(other.with { $0 } == "")
    }
}

/// A function of the header gave this code.
private func expect(_ code: Int32, _ expected: Int = MARTLET_OK, location: SourceLocation = #_sourceLocation) {
    #expect(Int(code) == expected, "\(String(cString: martlet_error_text()))", sourceLocation: location)
}

/// Whether the broker has accepted the device.
private func isConnected(_ device: OpaquePointer?) -> Bool {
    var status = martlet_device_status()
    status.size = MemoryLayout<martlet_device_status>.size
    return martlet_status(device, &status) == 0 && status.connection == Int32(MARTLET_CONNECTED)
}
