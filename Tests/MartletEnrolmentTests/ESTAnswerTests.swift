// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MartletEnrolment

@Suite struct ESTAnswerTests {
    private func answer(
        _ status: Int, _ type: String = "application/pkcs7-mime", retry: UInt64? = nil, _ body: String = "AQID\nBAUG"
    ) -> ESTAnswer {
        ESTAnswer(status: status, contentType: Array(type.utf8), retryAfter: retry, body: Array(body.utf8))
    }

    @Test(arguments: [
        "application/pkcs7-mime", "application/pkcs7-mime; smime-type=certs-only", "Application/PKCS7-MIME ;x",
        "application/pkcs7-mime;smime-type=certs-only",
    ])
    func `certificates come in any spelling of their type`(_ type: String) throws {
        for operation in [ESTServer.Operation.authorities, .enrol, .renew] {
            #expect(try answer(200, type).meaning(for: operation) == .certificates([1, 2, 3, 4, 5, 6]))
        }
    }

    @Test func `attributes may be there or not`() throws {
        #expect(try answer(200, "application/csrattrs").meaning(for: .attributes) == .attributes([1, 2, 3, 4, 5, 6]))
        for status in [204, 404, 501] {
            #expect(try answer(status, "", "").meaning(for: .attributes) == .attributes([]))
        }
    }

    @Test func `later is within five seconds and an hour, whatever the registrar says`() throws {
        let table: [(UInt64?, UInt32)] = [
            (nil, 60), (0, 5), (5, 5), (120, 120), (3600, 3600), (3601, 3600), (1_000_000_000, 3600), (.max, 3600),
        ]
        for (said, seconds) in table {
            for status in [202, 429, 500, 502, 503, 504] {
                #expect(try answer(status, "", retry: said, "").meaning(for: .enrol) == .later(seconds))
            }
        }
    }

    static let bad: [(Int, String, String, EnrolmentError)] = [
        (301, "", "", .redirected), (302, "", "", .redirected), (307, "", "", .redirected), (308, "", "", .redirected),
        (401, "", "", .credentialRefused), (403, "", "", .notAllowed), (404, "", "", .noSuchService),
        (204, "", "", .status(204)), (400, "", "", .status(400)), (501, "", "", .status(501)), (0, "", "", .status(0)),
        (-1, "", "", .status(-1)), (100, "", "", .status(100)), (201, "", "AQID", .status(201)),
        (200, "text/html", "AQID", .wrongContentType), (200, "", "AQID", .wrongContentType),
        (200, "application/pkcs7-mimes", "AQID", .wrongContentType),
        (200, "application/csrattrs", "AQID", .wrongContentType),
        (200, "application/pkcs7-mime", "", .notBase64), (200, "application/pkcs7-mime", "<html>", .notBase64),
        (200, "application/pkcs7-mime", "AQI", .notBase64), (200, "application/pkcs7-mime", "AQID\nAQ==x", .notBase64),
    ]

    @Test(arguments: bad)
    func `anything else is refused for its own reason`(
        _ status: Int, _ type: String, _ body: String, _ error: EnrolmentError
    ) {
        #expect(throws: error) { try answer(status, type, body).meaning(for: .enrol) }
    }

    @Test func `a body beyond the bound is refused before it is decoded`() {
        let most = String(repeating: "A", count: ESTAnswer.maximumBody)
        #expect(throws: Never.self) { try answer(200, "application/pkcs7-mime", most).meaning(for: .enrol) }
        #expect(throws: EnrolmentError.tooLarge) {
            try answer(200, "application/pkcs7-mime", most + "AAAA").meaning(for: .enrol)
        }
    }
}
