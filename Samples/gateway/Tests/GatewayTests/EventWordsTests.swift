// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing

@testable import martlet_gateway

@Suite struct EventWordsTests {
    private func words(_ kind: EventKind, _ values: [(UInt64, UInt64)]) -> String {
        Event(kind: kind, values: values.map { Event.Value(code: $0.0, number: $0.1) }).words
    }

    @Test func `what is used of a quota is told in words, also of one that this gateway does not know`() {
        #expect(words(.quota, [(1, 83)]) == "quota: 83 % of the bytes of a day are used")
        #expect(words(.quota, [(7, 83)]) == "quota: 83 % of the quota 7 are used")
        #expect(words(.quota, []) == "quota")
    }

    @Test func `other events are told with their values`() {
        #expect(words(.refusals, [(3, 2), (5, 1)]) == "refusals 3=2 5=1")
        #expect(words(.clockTrusted, []) == "clock-trusted")
    }
}
