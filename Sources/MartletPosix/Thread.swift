// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// A thread that runs one function. Signals stay with the application's threads.
public final class Thread: @unchecked Sendable {  // `handle` is written once, before anybody else sees it
    private var handle = pthread_t()

    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    public init(_ body: @escaping @Sendable () -> Void) throws(PosixError) {
        let start = Unmanaged.passRetained(Start(body))
        let code = CPosix_thread(&handle, threadMain, start.toOpaque())
        if code < 0 {
            start.release()
            throw .system("pthread_create", code: -code)
        }
    }

    /// Whether this is called on it.
    public var isCurrent: Bool { pthread_equal(handle, pthread_self()) != 0 }

    /// Waits for its end; called on the thread itself, returns at once and lets it end alone. Call it exactly once.
    public func join() {
        if isCurrent {
            detach()
        } else {
            pthread_join(handle, nil)
        }
    }

    /// Lets it end alone, in place of `join`.
    public func detach() { pthread_detach(handle) }

    /// Tells threads that live at the same time apart.
    public static var current: UInt { UInt(pthread_self()) }

    fileprivate static func run(_ context: UnsafeMutableRawPointer) {
        Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
    }
}

private func threadMain(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let context { Thread.run(context) }
    return nil
}
