// SPDX-License-Identifier: Apache-2.0

internal import CMartlet
internal import Martlet
internal import MartletPosix

/// A device that C has opened.
final class Session: Sendable {
    let device: Device
    let log: LogCallback?
    private let isSettingUp = Guarded(false)

    init(_ device: Device, log: LogCallback?) {
        self.device = device
        self.log = log
    }

    /// Commands are declared and the device is started by one thread at a time; others are refused, since waiting for
    /// one that is in the log callback could be for ever.
    func setUp(_ body: () throws(Failure) -> Void) throws(Failure) {
        let isFirst = isSettingUp.with { isSettingUp in
            if isSettingUp { return false }
            isSettingUp = true
            return true
        }
        if !isFirst { throw .wrongState("another thread sets the device up or starts it") }
        defer { isSettingUp.with { $0 = false } }
        try body()
    }

    func close(flushing seconds: UInt32) {
        device.stop(flushing: seconds)
        log?.close()
    }
}

/// The program's log callback, until it is closed.
final class LogCallback: @unchecked Sendable {  // the program answers for `user`
    private struct State {
        var isClosed = false
        /// The thread that is in the callback.
        var caller: UInt?
    }

    private let state = Guarded(State())
    private let callback: martlet_log
    private let user: UnsafeMutableRawPointer?

    init(_ callback: @escaping martlet_log, user: UnsafeMutableRawPointer?) {
        self.callback = callback
        self.user = user
    }

    func write(_ level: LogLevel, _ line: String) {
        let isOpen = state.with { state in
            if state.isClosed { return false }
            state.caller = Thread.current
            return true
        }
        if !isOpen { return }
        line.withCString { callback(Int32(level.rawValue), $0, user) }
        state.with { $0.caller = nil }
        state.notify()
    }

    /// No call begins after this, and none goes on but the one that this is called from.
    func close() {
        let me = Thread.current
        _ = state.wait { state in
            state.isClosed = true
            return state.caller == nil || state.caller == me ? true : nil
        }
    }
}

/// The program's handler of a command.
struct CommandHandler: @unchecked Sendable {  // the program answers for `user`
    let function: martlet_handler
    let user: UnsafeMutableRawPointer?

    func run(_ call: Call) -> CommandResult {
        let context = CallContext(call.arguments)
        guard let handle = calls.insert(context) else { return .failed }
        let code = function(handle, user)
        _ = calls.remove(handle)
        return code == Int32(MARTLET_OK) ? .doneWith(context.results) : .failed
    }
}
