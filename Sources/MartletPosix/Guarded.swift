// SPDX-License-Identifier: Apache-2.0

internal import CPosix

/// A value that one thread at a time can use, and a condition to wait for its change.
public final class Guarded<Value>: @unchecked Sendable {  // every access goes through the mutex
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var value: Value

    public init(_ value: Value) {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        CPosix_condition_init(condition)
        self.value = value
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` alone. Not recursive: calling this again inside `body` never returns.
    public func with<Result: ~Copyable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Waits until `body` gives a result, trying it now and after each `notify`; nil after `milliseconds`.
    public func wait<Result>(
        milliseconds: Int64 = -1, for body: (inout Value) -> Result?
    ) -> Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let end = milliseconds < 0 ? 0 : SystemClock.bootMilliseconds() &+ UInt64(milliseconds)
        while true {
            if let result = body(&value) { return result }
            var rest: Int64 = -1
            if milliseconds >= 0 {
                let now = SystemClock.bootMilliseconds()
                if now >= end { return nil }
                rest = Int64(clamping: end - now)
            }
            CPosix_condition_wait(condition, mutex, rest)
        }
    }

    /// Wakes all that wait.
    public func notify() { pthread_cond_broadcast(condition) }
}
