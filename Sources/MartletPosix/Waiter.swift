// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Lets one thread wait for a socket, for time, and to be woken by other threads.
public final class Waiter: @unchecked Sendable {  // `state` changes in single steps only
    /// What the thread does. While it does not wait, waking it is no matter for the system.
    private enum State {
        static let awake: UInt32 = 0
        static let waits: UInt32 = 1
        static let woken: UInt32 = 2
    }

    private let event: EventDescriptor
    private let state: UnsafeMutablePointer<UInt32>

    public init() throws(PosixError) {
        event = try EventDescriptor()
        state = .allocate(capacity: 1)
        state.initialize(to: State.awake)
    }

    deinit { state.deallocate() }

    /// Ends the present or the next `wait`. Any thread; also from a signal handler.
    public func wake() { if CPosix_exchange(state, State.woken) == State.waits { event.signal() } }

    public struct Ready: Sendable {
        public var readable = false
        public var writable = false
    }

    /// Waits until `socket` (-1: none) can be read, or written if `writing`; or for a wake-up; or for
    /// `milliseconds` (nil: without end).
    public func wait(socket: Int32, writing: Bool, milliseconds: UInt64?) -> Ready {
        var first: Int16 = 0
        var second: Int16 = 0
        let isWoken = CPosix_exchange(state, State.waits) == State.woken
        let timeout = isWoken ? 0 : milliseconds.map { Int32(clamping: $0) } ?? -1
        let code = CPosix_poll(socket, writing, event.number, &first, &second, timeout)
        // What is signalled from here on, by whoever saw it wait, ends the next wait too soon and does no harm.
        _ = CPosix_exchange(state, State.awake)
        if code < 0 { return Ready() }
        if second != 0 { event.clear() }
        // An error or a hang-up is found by reading or writing.
        let broken = first & Int16(POLLERR | POLLHUP | POLLNVAL) != 0
        return Ready(
            readable: first & Int16(POLLIN) != 0 || broken,
            writable: writing && (first & Int16(POLLOUT) != 0 || broken))
    }

    /// Returns after so many milliseconds, and not before.
    public static func pause(milliseconds: UInt64) throws(PosixError) {
        let waiter = try Waiter()
        let end = SystemClock.bootMilliseconds() &+ milliseconds
        while case let now = SystemClock.bootMilliseconds(), now < end {
            _ = waiter.wait(socket: -1, writing: false, milliseconds: end - now)
        }
    }
}
