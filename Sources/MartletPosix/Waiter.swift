// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Lets one thread wait for a socket, for time, and to be woken by other threads.
public final class Waiter: Sendable {
    private let event: EventDescriptor

    public init() throws(PosixError) { event = try EventDescriptor() }

    /// Ends the present or the next `wait`. Any thread; also from a signal handler.
    public func wake() { event.signal() }

    public struct Ready: Sendable {
        public var readable = false
        public var writable = false
    }

    /// Waits until `socket` (-1: none) can be read, or written if `writing`; or for a wake-up; or for
    /// `milliseconds` (nil: without end).
    public func wait(socket: Int32, writing: Bool, milliseconds: UInt64?) -> Ready {
        var first: Int16 = 0
        var second: Int16 = 0
        let timeout = milliseconds.map { Int32(clamping: $0) } ?? -1
        let code = CPosix_poll(socket, writing, event.number, &first, &second, timeout)
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
