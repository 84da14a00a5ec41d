// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletPosix
import TestSupport
import Testing

@testable import Martlet
@testable import MartletSession

@Suite(.timeLimit(.minutes(1))) struct MosquittoLinkTests {
    private func plan() -> ConnectionPlan {
        ConnectionPlan(
            verificationTime: 1_800_000_000, acceptsNotYetValid: false, willTopic: Array("will".utf8), will: [],
            now: SystemClock.bootMilliseconds())
    }

    @Test func `a name that was resolved between two attempts is there for the second one`() throws {
        let listener = try TCPServer(.silence)
        defer { listener.stop() }
        let folder = try DeviceFolder(try TestAuthority())
        try folder.configure(["host": "localhost", "port": "\(listener.port)"])
        let configuration = try Configuration(path: folder.configuration)
        let identity = try Identity(configuration, hashing: try OpenSSLHashing())
        let tls = try identity.tls(
            for: configuration.host, configuration.anchors, identity.anchors, configuration)
        let waiter = try Waiter()
        let link = MosquittoLink(configuration, tls: tls, waiter: waiter)
        link.open(plan())
        #expect(link.isOpen)
        // The only wake-up.
        while link.due == nil { _ = waiter.wait(socket: -1, writing: false, milliseconds: nil) }
        link.abort()
        #expect(!link.isOpen && link.due == nil)
        link.drive(readable: false, writable: false, now: SystemClock.bootMilliseconds())
        #expect(link.descriptor < 0)
        link.open(plan())
        #expect(link.due == 0)
        link.drive(readable: false, writable: false, now: SystemClock.bootMilliseconds())
        #expect(link.descriptor >= 0)
        link.abort()
    }
}
