// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCurl
import MartletHTTPS
@testable import MartletHTTPSLink
import MartletOpenSSL
@testable import MartletSession
import Testing

/// A way that does what the test says.
private final class Way: DrivenLink {
    var engine: Engine?
    let descriptor: Int32 = -1
    let wantsWrite = false
    var due: UInt64?
    var isAccepted = false
    var hasServed = false
    var isOpen = false
    let farewell: UInt64 = 1000
    let server: [UInt8] = []
    let window = 20
    private(set) var opened: [UInt64] = []
    private(set) var farewells = 0

    func drive(readable: Bool, writable: Bool, now: UInt64) {}
    func end() {}

    func open(_ plan: ConnectionPlan) {
        opened.append(plan.now)
        isOpen = true
    }

    func abort() {
        isOpen = false
        isAccepted = false
        hasServed = false
    }

    func disconnect() { farewells += 1 }
    func isServerValid(at seconds: Int64) -> Bool { true }
    func subscribe(_ topics: [[UInt8]]) -> Bool { true }
    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult { .windowFull }
}

@Suite struct FailoverLinkTests {
    private let broker = Way()
    private let https = Way()
    private let link: FailoverLink

    init() { link = FailoverLink(broker, https, patience: 10_000) { 0 } }

    private func plan(_ now: UInt64) -> ConnectionPlan {
        ConnectionPlan(
            verificationTime: 1_800_000_000, acceptsNotYetValid: false, willTopic: [], will: [], now: now)
    }

    private func drive(_ now: UInt64) { link.drive(readable: false, writable: false, now: now) }

    /// HTTPS serves from the 11th second on.
    private func goOver() {
        link.open(plan(1000))
        link.abort()
        link.open(plan(11_000))
        https.isAccepted = true
    }

    @Test func `HTTPS takes over after the patience, and not before`() {
        link.open(plan(1000))
        link.abort()
        link.open(plan(10_999))
        #expect(broker.opened == [1000, 10_999] && https.opened.isEmpty)
        link.abort()
        link.open(plan(11_000))
        #expect(broker.opened.count == 2 && https.opened == [11_000])
    }

    @Test func `the broker is looked for at growing intervals, and given back when it answers`() {
        goOver()
        #expect(link.due == 21_000)
        drive(20_999)
        #expect(broker.opened.count == 1)
        drive(21_000)
        #expect(broker.opened.last == 21_000 && https.isOpen)
        // Nobody answers.
        drive(51_000)
        #expect(!broker.isOpen && link.due == 56_000)
        drive(56_000)
        drive(86_000)
        #expect(link.due == 96_000)
        drive(96_000)
        broker.isAccepted = true
        drive(96_100)
        #expect(broker.farewells == 1 && https.isOpen)
        broker.abort()
        drive(96_200)
        #expect(!https.isOpen)
        link.open(plan(97_000))
        #expect(broker.opened.last == 97_000 && https.opened.count == 1)
    }

    @Test func `a broker that keeps the connection and refuses every message gives way, but has half a minute`() {
        link.open(plan(1000))
        broker.isAccepted = true
        drive(30_999)
        #expect(broker.isOpen)
        broker.hasServed = true
        drive(31_000)
        // From here on it refuses.
        broker.hasServed = false
        drive(40_999)
        #expect(broker.isOpen)
        drive(41_000)
        #expect(!broker.isOpen)
        link.open(plan(41_500))
        #expect(https.opened == [41_500])
    }

    @Test func `a broker that accepts and takes nothing is given up, also after each way back`() {
        link.open(plan(1000))
        broker.isAccepted = true
        drive(10_000)
        link.abort()
        link.open(plan(11_000))
        #expect(https.opened == [11_000])
        https.isAccepted = true
        var now: UInt64 = 11_000
        // Each time HTTPS serves longer.
        for pause in [10_000, 20_000, 40_000] as [UInt64] {
            now += pause
            #expect(link.due == now)
            drive(now)
            broker.isAccepted = true
            drive(now)
            broker.abort()
            drive(now)
            link.open(plan(now))
            #expect(broker.opened.last == now && !https.isOpen)
            broker.isAccepted = true
            drive(now + 9999)
            link.abort()
            now += 10_000
            link.open(plan(now))
            #expect(https.opened.last == now)
        }
    }

    @Test func `a broker that took a message is given the patience when it is gone`() {
        link.open(plan(1000))
        broker.hasServed = true
        drive(100_000)
        link.abort()
        link.open(plan(109_999))
        #expect(https.opened.isEmpty)
        link.abort()
        link.open(plan(110_000))
        #expect(https.opened == [110_000])
    }

    @Test func `who says goodbye by HTTPS looks for no broker, and wakes nobody for it`() {
        goOver()
        link.disconnect()
        #expect(https.farewells == 1 && link.due == nil)
        drive(21_000)
        #expect(broker.opened.count == 1)
    }

    @Test func `a look that goes on ends with the goodbye, which is said`() {
        goOver()
        drive(21_000)
        link.disconnect()
        #expect(!broker.isOpen)
        broker.isAccepted = true
        for now in 21_000...23_000 as ClosedRange<UInt64> where now % 100 == 0 { drive(now) }
        #expect(https.isOpen && https.farewells == 1 && broker.farewells == 0)
    }
}

@Suite struct HTTPVersionTests {
    @Test(
        arguments: [.https(.reset), .https(.closed), .https(.notHTTP), .https(.timedOut)] as [HTTPSFailure])
    func `after an exchange without an answer HTTP/1.1 is offered alone, and once`(failure: HTTPSFailure) {
        #expect(!ExchangeFailure.offersHTTP2(after: failure, offered: true))
        #expect(ExchangeFailure.offersHTTP2(after: failure, offered: false))
    }

    /// The first is what a server says that speaks HTTP/2 alone (RFC 7301 section 3.2).
    @Test(
        arguments: [
            .tls(.alert(120)), .tls(.certificateRefused(alert: 48)), .https(.unresolved), .https(.connect(errno: 111)),
        ] as [HTTPSFailure])
    func `a failure that no version has alone brings HTTP/2 back`(failure: HTTPSFailure) {
        #expect(ExchangeFailure.offersHTTP2(after: failure, offered: true))
        #expect(ExchangeFailure.offersHTTP2(after: failure, offered: false))
    }
}
