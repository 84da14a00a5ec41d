// SPDX-License-Identifier: Apache-2.0

import MartletPosix
import Testing

@Suite struct AddressTests {
    private func text(_ bytes: [UInt8], interface: UInt32 = 0) -> String {
        String(decoding: addressText(bytes, interface: interface), as: UTF8.self)
    }

    @Test func `addresses have their usual text`() {
        #expect(text([10, 77, 0, 2]) == "10.77.0.2")
        #expect(text([0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [2]) == "fd77::2")
    }

    @Test func `an interface is named, or numbered if it has no name`() {
        let linkLocal: [UInt8] = [0xfe, 0x80] + [UInt8](repeating: 0, count: 13) + [1]
        // The first interface of Linux is the loopback.
        #expect(text(linkLocal, interface: 1) == "fe80::1%lo")
        #expect(text(linkLocal, interface: .max) == "fe80::1%4294967295")
    }

    @Test func `what is no address has no text`() {
        #expect(text([]) == "")
        #expect(text([1, 2, 3, 4, 5]) == "")
        #expect(text([UInt8](repeating: 1, count: 17)) == "")
    }
}
