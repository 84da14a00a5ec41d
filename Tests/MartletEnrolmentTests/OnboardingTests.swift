// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import MartletEnrolment

@Suite struct OnboardingTests {
    private func bag(_ body: String) -> ESTAnswer {
        ESTAnswer(
            status: 200, contentType: Array("application/pkcs7-mime".utf8), retryAfter: nil, body: Array(body.utf8))
    }

    /// Of attributes.
    private func list(_ der: [UInt8]) -> ESTAnswer {
        ESTAnswer(
            status: 200, contentType: Array("application/csrattrs".utf8), retryAfter: nil,
            body: Base64.encoded(der.span))
    }

    private func none(_ status: Int) -> ESTAnswer {
        ESTAnswer(status: status, contentType: [], retryAfter: nil, body: [])
    }

    private func later(_ seconds: UInt64) -> ESTAnswer {
        ESTAnswer(status: 202, contentType: [], retryAfter: seconds, body: [])
    }

    @Test func `an authority known by its fingerprint is fetched first, and nothing else is asked before it is found`()
        throws
    {
        var onboarding = Onboarding(isPinned: true, patience: 0)
        #expect(onboarding.step == .bootstrap)
        try onboarding.take(bag("AQ=="))
        #expect(onboarding.step == .trust([1]))
        onboarding.proceed()
        #expect(onboarding.step == .ask(.authorities))
        #expect(onboarding.authorities == [], "what nobody vouched for is not kept")
        try onboarding.take(bag("Ag=="))
        #expect(onboarding.step == .ask(.attributes) && onboarding.authorities == [2])
        try onboarding.take(none(204))
        #expect(onboarding.step == .ask(.enrol))
        try onboarding.take(bag("Aw=="))
        #expect(onboarding.step == .judge([3]))
    }

    @Test func `an installed authority needs no fetch`() {
        #expect(Onboarding(isPinned: false, patience: 0).step == .ask(.authorities))
    }

    @Test func `whoever says later is asked the same again, as long as there is patience`() throws {
        var onboarding = Onboarding(isPinned: true, patience: 36)
        for before in [Onboarding.Step.bootstrap, .ask(.authorities), .ask(.attributes), .ask(.enrol)] {
            #expect(onboarding.step == before)
            try onboarding.take(later(9))
            #expect(onboarding.step == .wait(9))
            onboarding.proceed()
            #expect(onboarding.step == before)
            if before == .ask(.enrol) { break }
            try onboarding.take(before == .ask(.attributes) ? none(404) : bag("AQ=="))
            if before == .bootstrap { onboarding.proceed() }
        }
        try onboarding.take(later(9))
        #expect(onboarding.step == .pending(9), "36 seconds are over")
    }

    @Test func `a wait beyond the patience is not begun`() throws {
        var onboarding = Onboarding(isPinned: false, patience: 300)
        try onboarding.take(later(1_000_000_000))
        #expect(onboarding.step == .pending(3600))
    }

    @Test(arguments: [301, 401, 403, 404, 501]) func `a refusal ends it where it is`(_ status: Int) {
        var onboarding = Onboarding(isPinned: false, patience: 300)
        #expect(throws: EnrolmentError.self) {
            try onboarding.take(ESTAnswer(status: status, contentType: [], retryAfter: nil, body: []))
        }
        #expect(onboarding.step == .ask(.authorities))
    }

    @Test(arguments: [ESTServer.Operation.enrol, .renew])
    func `what the registrar demands of a key is asked, unless it certified this one before`(
        _ goal: ESTServer.Operation
    ) throws {
        var onboarding = Onboarding(for: goal, patience: 0)
        try onboarding.take(bag("AQ=="))
        #expect(onboarding.step == .ask(.attributes))
        try onboarding.take(list([0x30, 0x00]))
        #expect(onboarding.step == .ask(goal))
        onboarding = Onboarding(for: goal, isKeyKnown: true, patience: 0)
        try onboarding.take(bag("AQ=="))
        #expect(onboarding.step == .ask(goal))
    }

    @Test func `the token is not sent where the request would be refused, or nobody knows`() throws {
        let der = CSRAttributesTests.list(CSRAttributesTests.oid(CSRAttributesTests.rsa))
        let table: [(ESTAnswer, EnrolmentError)] = [
            (list(der), .unfit(.key, demanded: Array("1.2.840.113549.1.1.1 (RSA)".utf8))),
            (list(der + [0]), .notAttributes), (bag("MAA="), .wrongContentType), (none(401), .credentialRefused),
            (none(302), .redirected), (none(400), .status(400)),
        ]
        for (answer, error) in table {
            var onboarding = Onboarding(patience: 300)
            try onboarding.take(bag("AQ=="))
            #expect(throws: error) { try onboarding.take(answer) }
            #expect(onboarding.step == .ask(.attributes))
        }
    }
}

@Suite struct DeviceFilesTests {
    private func label(_ rest: String) throws -> EnrolmentLabel {
        let text = Array("martlet:pump-7?root=\(EnrolmentLabelTests.root)\(rest)".utf8)
        return try EnrolmentLabel(parsing: text.span)
    }

    @Test func `the configuration says what the label says, and not its token`() throws {
        let label = try label("&mqtt=[fd00::1]&est=est.example/plant&token=\(EnrolmentLabelTests.token)")
        let text = DeviceFiles.configuration(
            label, broker: try #require(label.broker), registrar: try #require(label.registrar))
        #expect(
            String(decoding: text, as: UTF8.self) == """
                [device]
                id = pump-7
                [mqtt]
                host = fd00::1
                port = 8883
                [identity]
                key = device.pem
                certificate = device.pem
                anchors = anchors.pem
                [trust]
                root = \(EnrolmentLabelTests.root.lowercased())
                [enrolment]
                registrar = est.example:443/plant

                """)
    }

    /// RFC 7617 §2.
    @Test func `the token is shown by Basic authentication, on one line`() throws {
        let token = String(repeating: "x", count: 128)
        let header = try #require(try label("&token=\(token)").authorization)
        #expect(
            String(decoding: header, as: UTF8.self) == "Basic \(Data("pump-7:\(token)".utf8).base64EncodedString())")
        #expect(try label("").authorization == nil)
    }

    @Test func `a chain that no device starts with is found out`() {
        let uri = Array("urn:dev:mac:0024befffe804ff1".utf8)
        #expect(DeviceFiles.areUsable(chain: [[1], [2], [3], [4]], uri: uri))
        #expect(!DeviceFiles.areUsable(chain: [[1], [2], [3], [4], [5]], uri: uri))
        #expect(DeviceFiles.areUsable(chain: [[UInt8](repeating: 0, count: 12_288)], uri: uri))
        #expect(!DeviceFiles.areUsable(chain: [[UInt8](repeating: 0, count: 12_288), [1]], uri: uri))
        #expect(!DeviceFiles.areUsable(chain: [[1]], uri: []))
        #expect(!DeviceFiles.areUsable(chain: [[1]], uri: uri + [UInt8](repeating: 0x30, count: 101)))
    }
}
