// SPDX-License-Identifier: Apache-2.0

/// A host name that is resolved on a thread of its own, as the system's resolver may wait long and cannot be told to
/// stop. Nobody waits for that thread: it ends by itself, also after this object.
public final class Lookup: Sendable {
    public enum Outcome: Sendable {
        /// As `Resolver.addresses` gives them.
        case addresses([[UInt8]])
        case failure(PosixError)
    }

    private let found = Guarded<Outcome?>(nil)

    /// Wakes `waiter` once there is an outcome.
    public init(_ host: String, waiter: Waiter) throws(PosixError) {
        let found = found
        let thread = try Thread {
            var outcome: Outcome
            do throws(PosixError) {
                outcome = .addresses(try Resolver.addresses(of: host))
            } catch {
                outcome = .failure(error)
            }
            found.with { $0 = outcome }
            waiter.wake()
        }
        thread.detach()
    }

    /// nil while the resolver is at it.
    public var outcome: Outcome? { found.with { $0 } }
}
