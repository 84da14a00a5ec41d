// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletOpenSSL
import MartletPosix
import TestSupport
import Testing

/// `martlet retire` against a broker and a back end that verifies.
@Suite(.timeLimit(.minutes(5))) struct RetireTests {
    @Test(arguments: Life.Layout.allCases) func `the back end is told by the device's key, and nothing is left`(
        _ layout: Life.Layout
    ) throws {
        let life = try Life(layout)
        #expect(life.files.keys.contains { $0.contains("journal-") })
        // What a write that was cut short, a renewal and a manufacturer leave.
        for name in ["pending.key", "next.key", "next.pem", "next.pem.new", "device.pem.new", "factory.pem", "notes"] {
            try life.put(name, Array("x".utf8))
        }
        let result = try life.retire()
        #expect(result.status == 0, "\(result)")
        #expect(Set(life.files.keys) == ["device/factory.pem", "device/notes"], "\(life.files.keys)")
        #expect(result.output.contains("left alone, since it may be anybody's: \(life.directory.path)/notes\n"))
        #expect(!result.output.contains("factory.pem"))
        try life.backOffice.wait("farewell") { BackOffice.farewells(&$0) > 0 ? true : nil }
        life.backOffice.state.with { state in
            #expect(BackOffice.farewells(&state) == 1 && state.refused.isEmpty)
            #expect(state.cleared == ["birth", "presence"], "before the back end bars the device")
            let claims = state.messages.last?.claims
            #expect(claims?.clock == .bounded && claims?.issuedAt != nil && claims?.boot != nil)
            // Nothing is kept for who comes later.
            state = BackOffice.State(verifier: state.verifier, isConnected: true)
        }
        let late = try BackOffice(life.authority, port: life.broker.port)
        defer { late.stop() }
        #expect(late.state.with { $0.messages.isEmpty && $0.refused.isEmpty })

        let again = try life.retire()
        #expect(again.status == 5 && again.error.contains("nothing to retire"), "\(again)")
    }

    @Test("CLK-01 a board without a clock says no time, and how long it has run") func noClock() throws {
        let life = try Life()
        let result = try life.retire(before: FakeTime.command("1970-01-01 00:00:10"))
        #expect(result.status == 0, "\(result)")
        try life.backOffice.wait("farewell") { BackOffice.farewells(&$0) > 0 ? true : nil }
        life.backOffice.state.with { state in
            let claims = state.messages.last?.claims
            #expect(claims?.clock == .untrusted && claims?.issuedAt == nil && claims?.boot != nil)
        }
    }

    @Test func `another device's id retires nothing`() throws {
        let life = try Life()
        let files = life.files
        for id in ["pump-8", "pump", "pump-77", "PUMP-7"] {
            let result = try life.retire(["--without-notice"], id: id)
            #expect(result.status == 2 && result.error.contains("belongs to pump-7"), "\(result)")
        }
        #expect(try Life.Tool.run([], ["retire", "--directory", life.directory.path]).status == 2)
        #expect(life.files == files && life.backOffice.farewells == 0)
    }

    @Test("ROT-04 a device that runs, or another martlet, is not disturbed", arguments: Life.Layout.allCases)
    func running(_ layout: Life.Layout) throws {
        let life = try Life(layout)
        let names = Set(life.files.keys)
        let device = try life.device()
        let result = try life.retire()
        #expect(result.status == 3 && result.error.contains("stop the device"), "\(result)")
        device.stop()
        let lock = life.directory.appending(path: "renewal.lock").path
        let held = try life.retire(before: ["flock", lock, "env"])
        #expect(held.status == 3 && held.error.contains("in use"), "\(held)")
        #expect(Set(life.files.keys) == names && life.backOffice.farewells == 0)
        #expect(try life.retire().status == 0)
    }

    @Test func `where the back end cannot hear of it nothing is erased`() throws {
        let life = try Life()
        let files = life.files
        // Nobody listens to events.
        life.backOffice.stop()
        let unheard = try life.retire()
        #expect(unheard.status == 3 && unheard.error.contains("nobody to give"), "\(unheard)")
        life.broker.stop()
        let away = try life.retire()
        #expect(away.status == 3 && away.error.contains("the broker: "), "\(away)")
        #expect(life.files == files)
        let silent = try life.retire(["--without-notice", "--json"])
        #expect(silent.status == 0 && life.files.isEmpty, "\(silent)")
        let steps = try silent.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])["step"]
        }
        #expect(steps == ["begun", "done"])
    }

    @Test func `a broker that refuses is told apart from one that is away`() throws {
        let rules = "topic read #\nuser nobody\ntopic readwrite #\n"
        let life = try Life(settings: [])
        let files = life.files
        // Another authority's broker on the port.
        life.broker.stop()
        let other = try TestAuthority()
        let conf = life.directory.appending(path: "martlet.conf")
        let text = try String(contentsOf: conf, encoding: .utf8)
        let stranger = try Broker(tls: Broker.TLS(other))
        try life.put(
            "martlet.conf", Array(text.replacing("port = \(life.broker.port)", with: "port = \(stranger.port)").utf8))
        let untrusted = try life.retire()
        #expect(untrusted.status == 3 && untrusted.error.contains("trust anchor"), "\(untrusted)")
        // One that does not let the device publish.
        let strict = try Broker(
            tls: Broker.TLS(life.authority),
            settings: ["use_identity_as_username true", "acl_file $folder/rules"], files: ["rules": rules])
        try life.put(
            "martlet.conf", Array(text.replacing("port = \(life.broker.port)", with: "port = \(strict.port)").utf8))
        let barred = try life.retire()
        #expect(barred.status == 1 && barred.error.contains("does not let this device"), "\(barred)")
        try life.put("martlet.conf", Array(text.utf8))
        #expect(life.files == files)
    }

    @Test func `a key outside the directory is not taken for erased`() throws {
        let life = try Life(.two)
        let key = life.root.appending(path: "own.key")
        try FileManager.default.moveItem(at: life.directory.appending(path: "device.key"), to: key)
        let conf = life.directory.appending(path: "martlet.conf")
        let text = try String(contentsOf: conf, encoding: .utf8)
        try life.put("martlet.conf", Array(text.replacing("key = device.key", with: "key = \(key.path)").utf8))
        let files = life.files
        for more in [[], ["--without-notice"]] {
            let result = try life.retire(more)
            #expect(result.status == 2 && result.error.contains("move them there"), "\(result)")
            #expect(result.output.isEmpty, "nobody was told")
        }
        #expect(life.files == files && life.backOffice.farewells == 0)
    }

    @Test(arguments: Life.Layout.allCases) func `what its owner made read-only is erased too`(_ layout: Life.Layout)
        throws
    {
        let life = try Life(layout)
        for folder in [life.directory, life.state] {
            for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
            where !name.hasSuffix(".lock") {
                try #require(chmod(folder.appending(path: name).path, 0o400) == 0)
            }
        }
        let result = try life.retire(before: Life.Tool.ordinary)
        #expect(result.status == 0 && life.files.isEmpty, "\(result)")
    }

    @Test func `a device whose key is lost is erased without notice`() throws {
        let life = try Life(.two)
        try FileManager.default.removeItem(at: life.directory.appending(path: "device.key"))
        #expect(try life.retire().status == 3)
        #expect(try life.retire(["--without-notice"]).status == 0)
        #expect(life.files.isEmpty)
    }
}

/// What comes after a retirement.
@Suite(.timeLimit(.minutes(5))) struct TransferTests {
    @Test func `a retired device is onboarded anew by another owner, with another authority and root`() throws {
        let (seller, buyer) = (try Plant(), try Plant())
        for plant in [seller, buyer] { try plant.certifyAnything() }
        try buyer.set("root", String(repeating: "0b", count: 32))
        #expect(try seller.onboard().result().status == 0)
        let old = try #require(seller.content("device.pem"))
        try FileManager.default.moveItem(at: seller.directory, to: buyer.directory)

        // While it is the seller's, and while it is being erased, the buyer's label does not take it over.
        #expect(try buyer.onboard().result().status == 2 && buyer.hasLabel)
        let retire = ["retire", "--directory", buyer.directory.path, "--id", Plant.id, "--without-notice"]
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlinkat", "-e"]
        let cut = try Life.Tool.run(strace + ["inject=unlinkat:signal=KILL:when=1"], retire)
        #expect(cut.status == -1 && buyer.files.contains("retired.pem"))
        let early = try buyer.onboard().result()
        #expect(early.status == 2 && early.error.contains("being retired") && buyer.hasLabel, "\(early)")

        #expect(try Life.Tool.run([], retire).status == 0)
        #expect(buyer.files.isEmpty)
        let result = try buyer.onboard().result()
        #expect(result.status == 0, "\(result)")
        try buyer.expectOnboarded()
        let configuration = try #require(buyer.content("martlet.conf"))
        #expect(configuration.contains("root = \(String(repeating: "0b", count: 32))"))
        let anchors = try #require(buyer.content("anchors.pem"))
        #expect(try Array(anchors.utf8) == buyer.authority.authority.certificate.pem())
        #expect(buyer.content("device.pem") != old)
    }
}
