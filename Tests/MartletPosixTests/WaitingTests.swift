// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletPosix
import TestSupport
import Testing

typealias SDKThread = MartletPosix.Thread

@Suite(.timeLimit(.minutes(1))) struct WaiterTests {
    /// Two connected sockets, closed with this object.
    final class Sockets {
        var ends: [Int32] = [-1, -1]
        init() throws { try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0) }
        func closeFar() {
            close(ends[1])
            ends[1] = -1
        }
        deinit { for end in ends where end >= 0 { close(end) } }
    }

    func elapsed(_ body: () -> Void) -> UInt64 {
        let start = SystemClock.bootMilliseconds()
        body()
        return SystemClock.bootMilliseconds() - start
    }

    @Test func `a wait ends after its time, and not before`() throws {
        let waiter = try Waiter()
        let time = elapsed {
            let ready = waiter.wait(socket: -1, writing: false, milliseconds: 50)
            #expect(!ready.readable && !ready.writable)
        }
        #expect(time >= 49)
        #expect(elapsed { _ = waiter.wait(socket: -1, writing: false, milliseconds: 0) } < 1000)
    }

    @Test func `a wake-up before the wait ends it; many count as one`() throws {
        let waiter = try Waiter()
        for _ in 0..<3 { waiter.wake() }
        _ = waiter.wait(socket: -1, writing: false, milliseconds: nil)
        #expect(elapsed { _ = waiter.wait(socket: -1, writing: false, milliseconds: 50) } >= 49)
    }

    @Test func `another thread's wake-up ends a wait without end`() throws {
        let waiter = try Waiter()
        let thread = try SDKThread { waiter.wake() }
        _ = waiter.wait(socket: -1, writing: false, milliseconds: nil)
        thread.join()
    }

    @Test func `no wake-up is lost, whatever the thread does when it comes`() throws {
        let (waiter, back) = (try Waiter(), try Waiter())
        let turns = Guarded(0)
        let rounds = 20_000
        let thread = try SDKThread {
            for round in 0..<rounds {
                // Each side goes on only when it has seen the other's turn.
                while turns.with({ $0 }) != 2 * round + 1 {
                    _ = back.wait(socket: -1, writing: false, milliseconds: nil)
                }
                turns.with { $0 += 1 }
                waiter.wake()
            }
        }
        for round in 0..<rounds {
            turns.with { $0 += 1 }
            back.wake()
            while turns.with({ $0 }) != 2 * round + 2 { _ = waiter.wait(socket: -1, writing: false, milliseconds: nil) }
        }
        thread.join()
    }

    @Test func `a socket that can be read or written ends the wait and says so`() throws {
        let waiter = try Waiter()
        let sockets = try Sockets()
        let socket = sockets.ends[0]
        var ready = waiter.wait(socket: socket, writing: true, milliseconds: nil)
        #expect(ready.writable && !ready.readable)
        #expect(elapsed { ready = waiter.wait(socket: socket, writing: false, milliseconds: 20) } >= 19)
        #expect(!ready.writable && !ready.readable)
        write(sockets.ends[1], "x", 1)
        ready = waiter.wait(socket: socket, writing: false, milliseconds: nil)
        #expect(ready.readable && !ready.writable)
        waiter.wake()
        ready = waiter.wait(socket: socket, writing: true, milliseconds: nil)
        #expect(ready.readable && ready.writable, "a wake-up hides no socket")
    }

    @Test func `a closed peer and a closed descriptor end the wait as readable`() throws {
        let waiter = try Waiter()
        let sockets = try Sockets()
        sockets.closeFar()
        #expect(waiter.wait(socket: sockets.ends[0], writing: false, milliseconds: nil).readable)
        let none = waiter.wait(socket: 1 << 20, writing: true, milliseconds: nil)
        #expect(none.readable && none.writable)
    }
}

@Suite(.timeLimit(.minutes(1))) struct GuardedTests {
    @Test func `threads change a value one after the other`() throws {
        let value = Guarded(0)
        let threads = try (0..<4).map { _ in
            try SDKThread { for _ in 0..<10_000 { value.with { $0 += 1 } } }
        }
        for thread in threads { thread.join() }
        #expect(value.with { $0 } == 40_000)
    }

    @Test func `a waiter sees the value that another thread announces`() throws {
        let (request, answer) = (Guarded(0), Guarded(0))
        let thread = try SDKThread {
            for turn in 1...200 {
                _ = request.wait { $0 == turn ? true : nil }
                answer.with { $0 = turn }
                answer.notify()
            }
        }
        for turn in 1...200 {
            request.with { $0 = turn }
            request.notify()
            #expect(answer.wait(milliseconds: 30_000) { $0 == turn ? turn : nil } == turn)
        }
        thread.join()
    }

    @Test func `a wait without result ends after its time`() {
        let value = Guarded(0)
        let start = SystemClock.bootMilliseconds()
        let result: Int? = value.wait(milliseconds: 50) { _ in nil }
        #expect(result == nil)
        #expect(SystemClock.bootMilliseconds() - start >= 50)
        #expect(value.wait(milliseconds: 0) { $0 } == 0, "the value is looked at even without time")
    }

    @Test func `an error leaves the lock free`() {
        struct Failure: Error {}
        let value = Guarded(1)
        #expect(throws: Failure.self) { try value.with { (_) throws(Failure) in throw Failure() } }
        #expect(value.with { $0 } == 1)
    }
}

@Suite(.timeLimit(.minutes(1))) struct ThreadTests {
    @Test func `a thread that joins itself goes on`() throws {
        let (own, hasGoneOn) = (Guarded<SDKThread?>(nil), Guarded(false))
        let thread = try SDKThread {
            own.wait { $0 }?.join()
            hasGoneOn.with { $0 = true }
            hasGoneOn.notify()
        }
        own.with { $0 = thread }
        own.notify()
        #expect(hasGoneOn.wait(milliseconds: 30_000) { $0 ? true : nil } == true)
    }

    @Test func `signals go to the application's threads, except faults`() throws {
        let text = Guarded("")
        let thread = try SDKThread {
            let status = try? String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
            text.with { $0 = status ?? "" }
        }
        thread.join()
        let line = try #require(text.with { $0 }.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
        let blocked = try #require(UInt64(line.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16))
        func isBlocked(_ signal: Int32) -> Bool { blocked >> UInt64(signal - 1) & 1 == 1 }
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM, SIGCHLD, SIGPIPE] { #expect(isBlocked(signal)) }
        for signal in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS] { #expect(!isBlocked(signal)) }
    }
}
