// SPDX-License-Identifier: Apache-2.0

package import MartletPosix
package import MartletSession

/// A link as the network thread drives it.
package protocol DrivenLink: Link {
    /// Set before the first call; its owner ends this cycle. Without one, nobody hears of what happens, and nothing
    /// that arrives is acknowledged.
    var engine: Engine? { get set }
    /// What to wait for; -1: nothing, since what happens elsewhere wakes the thread.
    var descriptor: Int32 { get }
    var wantsWrite: Bool { get }
    /// Boot time in milliseconds at which `drive` must be called; nil: when the descriptor is ready.
    var due: UInt64? { get }
    /// Whether the server accepted the last attempt.
    var isAccepted: Bool { get }
    /// Whether it has taken a message since, too, and has not refused the last one for now.
    var hasServed: Bool { get }
    /// Whether something of a connection is left, after `disconnect` its farewell.
    var isOpen: Bool { get }
    /// Milliseconds that `disconnect` may take.
    var farewell: UInt64 { get }
    func drive(readable: Bool, writable: Bool, now: UInt64)
    /// Waits until nothing of it runs any longer, after `abort`; it is not opened again.
    func end()
}

extension DrivenLink {
    package var hasServed: Bool { isAccepted }
}

/// HTTPS for a device. `MartletHTTPSLink` has the one value, so that programs that do not name it are built without.
public struct HTTPSSupport: Sendable {
    /// The link that `[https]` of a configuration asks for, over or beside that to the broker, if there is one. The
    /// waiter wakes the thread that drives it.
    package typealias Maker =
        @Sendable (Configuration, Identity, Waiter, (any DrivenLink)?) throws(MartletError) -> any DrivenLink

    package let link: Maker

    package init(_ link: @escaping Maker) { self.link = link }
}
