// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnrolment
import Testing

@Suite struct RenewalTimeTests {
    private func due(_ notBefore: Int64, _ notAfter: Int64, _ first: UInt8, _ second: UInt8) -> Int64 {
        var bytes = InlineArray<32, UInt8>(repeating: 0xa5)
        bytes[0] = first
        bytes[1] = second
        return RenewalTime.due(notBefore: notBefore, notAfter: notAfter, fingerprint: Digest(bytes))
    }

    @Test func `the place is from 60 to 70 percent of the lifetime`() {
        let (begin, day): (Int64, Int64) = (1_795_262_400, 86_400)
        for days in [1, 30, 90, 730] as [Int64] {
            let lifetime = days * day
            #expect(due(begin, begin + lifetime, 0, 0) == begin + lifetime * 6 / 10)
            #expect(due(begin, begin + lifetime, 0x80, 0) == begin + lifetime * 65 / 100)
            let last = due(begin, begin + lifetime, 0xff, 0xff)
            #expect(last < begin + lifetime * 7 / 10 && last > begin + lifetime * 699 / 1000)
        }
    }

    @Test func `two bytes of the fingerprint spread a fleet`() {
        let begin: Int64 = 1_795_262_400
        let places = Set((0...255).map { due(begin, begin + 30 * 86_400, UInt8($0), 0) })
        #expect(places.count == 256)
        #expect(due(begin, begin + 30 * 86_400, 7, 0) != due(begin, begin + 30 * 86_400, 7, 1))
    }

    @Test func `no lifetime is too short, too long or upside down`() {
        #expect(due(100, 100, 9, 9) == 100)
        #expect(due(100, 99, 9, 9) == 100)
        #expect(due(.min, .max, 9, 9) == .min)
        #expect(due(.max, .min, 9, 9) == .max)
        #expect(due(0, 1, 0xff, 0xff) == 0)
        let long = due(0, .max, 0xff, 0xff)
        #expect(long > .max / 10 * 6 && long < .max / 10 * 7)
        #expect(due(.min, -1, 0, 0) < -1)
    }
}
