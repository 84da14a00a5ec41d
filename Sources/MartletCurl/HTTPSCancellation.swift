// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Ends requests from another thread.
public final class HTTPSCancellation: Sendable {
    private let flag = Atomic(false)

    public init() {}

    /// The request under way ends within about a second, and every later one at once, with `cancelled`. Any thread.
    public func cancel() { flag.store(true, ordering: .relaxed) }

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }
}
