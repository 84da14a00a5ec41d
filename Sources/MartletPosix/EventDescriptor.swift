// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// Wakes whoever polls its descriptor.
public final class EventDescriptor: Sendable {
    private let eventfd: Descriptor

    public init() throws(PosixError) {
        eventfd = Descriptor(try check(CPosix_event(), "eventfd"))
    }

    /// Readable from `signal` to `clear`. It is closed with this object.
    public var number: Int32 { eventfd.number }

    /// Any thread; also from a signal handler.
    public func signal() { CPosix_event_signal(eventfd.number) }

    public func clear() { CPosix_event_clear(eventfd.number) }
}
