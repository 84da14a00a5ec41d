// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletPosix
import Synchronization
import Testing

/// Whether the descriptor can be read within so many milliseconds.
func isReadable(_ descriptor: Int32, within milliseconds: Int32 = 30_000) -> Bool {
    var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&set, 1, milliseconds) == 1
}

/// Handlers of a program that has a loop of its own.
@Suite(.serialized, .timeLimit(.minutes(3))) struct DispatchTests {
    @Test func `handlers run inside dispatch, on its thread, when the descriptor tells`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let threads = Mutex<[UInt]>([])
        try device.onCommand("count") { _ in
            threads.withLock { $0.append(MartletPosix.Thread.current) }
            return .done
        }
        let descriptor = try device.descriptor()
        #expect(try device.descriptor() == descriptor)
        try bench.startResumed(device)
        #expect(!isReadable(descriptor, within: 0))
        try device.dispatch()
        let first = try bench.backEnd.command("count")
        #expect(isReadable(descriptor))
        #expect(threads.withLock { $0 }.isEmpty)
        try device.dispatch()
        #expect(threads.withLock { $0 } == [MartletPosix.Thread.current])
        #expect(try bench.backEnd.receipt(for: first).outcome == .done)
        #expect(!isReadable(descriptor, within: 0))
        device.stop()
        #expect(isReadable(descriptor, within: 0), "whoever polls learns of the end")
        let error = #expect(throws: MartletError.self) { try device.dispatch() }
        #expect(error?.code == .wrongState)
    }

    @Test func `a descriptor is for devices that are new, dispatch for those that have one`() throws {
        let bench = try Bench()
        let device = try bench.device()
        #expect(#expect(throws: MartletError.self) { try device.dispatch() }?.code == .wrongState)
        try device.start()
        #expect(#expect(throws: MartletError.self) { _ = try device.descriptor() }?.code == .wrongState)
        #expect(#expect(throws: MartletError.self) { try device.dispatch() }?.code == .wrongState)
        device.stop()
    }

    @Test func `a stop before the start is told to whoever polls`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let descriptor = try device.descriptor()
        #expect(!isReadable(descriptor, within: 0))
        device.stop()
        #expect(isReadable(descriptor, within: 0))
        #expect(#expect(throws: MartletError.self) { try device.dispatch() }?.code == .wrongState)
        #expect(#expect(throws: MartletError.self) { try device.start() }?.code == .wrongState)
    }

    @Test func `a handler cannot dispatch, and what a handler's stop leaves is not run`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let codes = Mutex<[MartletError.Code?]>([])
        let held = Guarded<Device?>(device)
        try device.onCommand("stop") { _ in
            let device = held.with { $0 }
            var code: MartletError.Code?
            do throws(MartletError) { try device?.dispatch() } catch { code = error.code }
            codes.withLock { $0.append(code) }
            device?.stop(flushing: 0)
            return .done
        }
        let descriptor = try device.descriptor()
        try bench.startResumed(device)
        _ = try bench.backEnd.command("stop")
        _ = try bench.backEnd.command("stop")
        // Answered at once, so that the two before it wait now.
        _ = try bench.backEnd.receipt(for: try bench.backEnd.command("unknown"))
        #expect(isReadable(descriptor))
        try device.dispatch()
        #expect(codes.withLock { $0 } == [.wrongState])
        held.with { $0 = nil }
    }

    @Test func `of two threads that dispatch one runs the handlers, and what comes meanwhile is told again`() throws {
        let bench = try Bench()
        let device = try bench.device()
        let runs = Guarded(0)
        let mayEnd = Guarded(false)
        try device.onCommand("wait") { _ in
            runs.with { $0 += 1 }
            runs.notify()
            _ = mayEnd.wait(milliseconds: 30_000) { $0 ? true : nil }
            return .done
        }
        let descriptor = try device.descriptor()
        try bench.startResumed(device)
        _ = try bench.backEnd.command("wait")
        #expect(isReadable(descriptor))
        let other = try MartletPosix.Thread { try? device.dispatch() }
        #expect(runs.wait(milliseconds: 30_000) { $0 == 1 ? true : nil } == true)
        let second = try bench.backEnd.command("wait")
        #expect(isReadable(descriptor))
        try device.dispatch()
        #expect(!isReadable(descriptor, within: 0))
        mayEnd.with { $0 = true }
        mayEnd.notify()
        #expect(isReadable(descriptor))
        other.join()
        #expect(runs.with { $0 } == 1)
        try device.dispatch()
        #expect(runs.with { $0 } == 2)
        #expect(try bench.backEnd.receipt(for: second).outcome == .done)
        device.stop()
    }
}
