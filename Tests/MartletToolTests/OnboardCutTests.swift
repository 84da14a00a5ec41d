// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

/// OB-01: however onboarding is cut short, the next run ends it.
@Suite(.timeLimit(.minutes(10))) struct OnboardCutTests {
    @Test(
        "OB-01 killed at any system call that changes something, the next run ends with the device onboarded",
        arguments: ["mkdir", "write", "fsync", "renameat", "unlinkat"])
    func killed(_ call: String) throws {
        let plant = try Plant()
        try plant.certifyAnything()
        var kills = 0
        while kills < 100 {
            try? FileManager.default.removeItem(at: plant.directory)
            try plant.writeLabel()
            let cut = try plant.onboard(before: [
                "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=\(call)", "-e",
                "inject=\(call):signal=KILL:when=\(kills + 1)",
            ]).result()
            if cut.status == 0 { break }
            #expect(cut.status == -1, "\(cut)")
            kills += 1
            let isCertified = plant.files.contains("device.pem")
            if isCertified {
                #expect(plant.files.filter { $0 != "pending.key" } == ["anchors.pem", "device.pem", "martlet.conf"])
                #expect(!plant.hasLabel || plant.files.contains("pending.key"))
                try plant.expectUsable("kill \(kills) of \(call)")
            }
            let asked = plant.requests.count
            let result = try plant.onboard().result()
            #expect(result.status == 0, "kill \(kills) of \(call): \(result.error)")
            if isCertified { #expect(plant.requests.count == asked, "the certificate is not asked for again") }
            try plant.expectOnboarded("kill \(kills) of \(call)")
        }
        print("\(kills) kills at \(call)")
        let least = ["mkdir": 1, "write": 12, "fsync": 16, "renameat": 4, "unlinkat": 6]
        #expect(kills >= least[call] ?? .max && kills < 100, "\(kills) kills")
    }

    @Test("OB-01 an answer cut off at any byte is none") func cutAnswers() throws {
        let plant = try Plant()
        let device = try plant.authority.device(Plant.id)
        try plant.use(device.key)
        let body = try Plant.text([device.certificate])
        let whole = "HTTP/1.1 200 OK\r\n\(Plant.type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        _ = try plant.authority.write(Array("cut".utf8), to: "simpleenroll.then")
        for count in stride(from: 0, to: whole.utf8.count, by: 53) + [whole.utf8.count - 1] {
            try plant.server.answer("simpleenroll", with: String(decoding: whole.utf8.prefix(count), as: UTF8.self))
            let result = try plant.onboard().result()
            #expect(result.status == 3, "\(count) bytes: \(result)")
            plant.expectPending()
        }
        try plant.server.answer("simpleenroll", with: whole)
        #expect(try plant.onboard().result().status == 0)
        try plant.expectOnboarded()
    }
}
