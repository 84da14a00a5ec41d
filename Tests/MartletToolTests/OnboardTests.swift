// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnrolment
import MartletOpenSSL
import TestSupport
import Testing

@testable import MartletTool

/// `martlet onboard` against a registrar that does its part.
@Suite(.timeLimit(.minutes(5))) struct OnboardTests {
    @Test func `one request goes to whoever answers, the others to a verified registrar, the token with the last`()
        throws
    {
        let plant = try Plant()
        try plant.certifyAnything()
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result.error)")
        #expect(
            plant.requests == [
                "1 GET /.well-known/est/cacerts", "2 GET /.well-known/est/cacerts",
                "2 GET /.well-known/est/csrattrs", "2 POST /.well-known/est/simpleenroll",
            ])
        let shown = Data("\(Plant.id):\(Plant.token)".utf8).base64EncodedString()
        #expect(plant.server.output.components(separatedBy: "Authorization: Basic \(shown)\r\n").count == 2)
        #expect(plant.server.output.contains("\r\nContent-Type: application/pkcs10\r\n"))
        let before = plant.server.output.components(separatedBy: "REQUEST 2 POST")[0]
        #expect(!before.contains("uthorization"))
        let anchors = try #require(plant.content("anchors.pem"))
        #expect(try Array(anchors.utf8) == plant.authority.authority.certificate.pem())
        for name in ["device.pem", "anchors.pem", "martlet.conf"] {
            let path = plant.directory.appending(path: name).path
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        }
        try plant.expectOnboarded()
        #expect(result.output.hasSuffix("configuration: \(plant.directory.path)/martlet.conf\n"))
        #expect(result.error.isEmpty)
    }

    @Test func `the request has the id, the key that is kept, and no other name`() throws {
        let plant = try Plant()
        try plant.answer("simpleenroll", status: 202, headers: ["Retry-After: 7"])
        let result = try plant.onboard(["--wait", "0"]).result()
        #expect(result.status == 4 && result.error.contains("in 7 seconds"), "\(result)")
        plant.expectPending()
        let text = try #require(plant.server.output.components(separatedBy: "BODY ").last)
        let lines = text.split(separator: " ", maxSplits: 1)[1].components(separatedBy: "\nDONE")[0]
        let der = [UInt8](try #require(Data(base64Encoded: lines, options: .ignoreUnknownCharacters)))
        #expect(lines.split(separator: "\n").allSatisfy { $0.count <= 76 })
        let request = try CertificateRequest(der: der.span)
        let pem = Array(try #require(plant.content("pending.key")).utf8)
        #expect(request.commonName == Array(Plant.id.utf8) && request.uris.isEmpty)
        #expect(try request.publicKey.spki == PrivateKey(pem: pem.span).publicKey.spki)

        // The next run asks for the same key.
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let credential = Array(try #require(plant.content("device.pem")).utf8)
        #expect(try PrivateKey(pem: credential.span).publicKey.spki == request.publicKey.spki)
        try plant.expectOnboarded()
    }

    /// What can be met: nothing, the kind of key that the device has, and wishes that need not be met.
    @Test(arguments: [
        [], [0x30, 0x00], [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        [0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07],
    ]) func `a registrar may say what it wants to see in a request`(_ der: [UInt8]) throws {
        let plant = try Plant()
        try plant.certifyAnything()
        if der.isEmpty { try plant.answer("csrattrs", status: 404) } else { try plant.demand(der) }
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result.error)")
        try plant.expectOnboarded()
    }

    enum Form: CaseIterable { case wrapped, oneLine, authorityFirst, chunked, parameters }

    @Test(arguments: Form.allCases) func `the answer may have any form that the standards allow`(_ form: Form) throws {
        let plant = try Plant()
        let device = try plant.authority.device(Plant.id)
        try plant.use(device.key)
        let bag =
            form == .authorityFirst
            ? [plant.authority.authority.certificate, device.certificate] : [device.certificate]
        let lines = try Plant.text(bag)
        let line = lines.split(separator: "\n").joined()
        switch form {
        case .wrapped, .authorityFirst: try plant.server.answer("simpleenroll", headers: [Plant.type], body: lines)
        case .oneLine: try plant.server.answer("simpleenroll", headers: [Plant.type], body: line)
        case .parameters:
            try plant.server.answer(
                "simpleenroll", headers: ["content-type: Application/PKCS7-mime", "Set-Cookie: a=b"],
                body: lines.replacing("\n", with: "\r\n"))
        case .chunked:
            let chunks = [line.prefix(100), line.dropFirst(100), ""].map {
                "\(String($0.utf8.count, radix: 16))\r\n\($0)\r\n"
            }
            try plant.server.answer(
                "simpleenroll",
                with: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(Plant.type)\r\n\r\n" + chunks.joined())
        }
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result.error)")
        try plant.expectOnboarded()
    }

    @Test func `a registrar that says later is asked again, over a new connection`() throws {
        let plant = try Plant()
        try plant.answer("simpleenroll", status: 202, headers: ["Retry-After: 1"])
        let run = try plant.onboard()
        // It has the answer: it leaves the connection while it waits.
        try plant.server.waitForOutput("ENDED 2", seconds: 30)
        try plant.certifyAnything()
        let result = try run.result()
        #expect(result.status == 0 && result.output.contains("seconds to wait: 5\n"), "\(result)")
        let enrol = "POST /.well-known/est/simpleenroll"
        #expect(plant.requests.suffix(2) == ["2 " + enrol, "3 " + enrol])
        try plant.expectOnboarded()
    }

    @Test("OB-05 while it has secrets it leaves no core, and outlives who reads its output") func secrets() throws {
        let plant = try Plant()
        try plant.answer("simpleenroll", status: 202, headers: ["Retry-After: 5"])
        let run = try plant.onboard()
        try plant.server.waitForOutput("POST /.well-known/est/simpleenroll", seconds: 30)
        let limits = try String(contentsOfFile: "/proc/\(run.pid)/limits", encoding: .utf8)
        let core = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
        #expect(core.split(separator: " ").suffix(3) == ["0", "0", "bytes"])
        let status = try String(contentsOfFile: "/proc/\(run.pid)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("SigIgn:") })
        let ignored = try #require(UInt64(line.split(separator: "\t")[1], radix: 16))
        #expect(ignored & 1 << (UInt64(SIGPIPE) - 1) != 0)
        try plant.certifyAnything()
        #expect(try run.result().status == 0)
    }

    @Test func `an installed authority is enough, and then nobody is asked unverified`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        try plant.set("ca", nil)
        try plant.put("anchors.pem", plant.authority.authority.certificate.pem())
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result.error)")
        #expect(
            plant.requests == [
                "1 GET /.well-known/est/cacerts", "1 GET /.well-known/est/csrattrs",
                "1 POST /.well-known/est/simpleenroll",
            ])
        try plant.expectOnboarded()
    }

    @Test func `intermediates come from the authorities, if the answer leaves them out`() throws {
        let plant = try Plant()
        let issuer = try plant.authority.forgeIssuer()
        let device = try plant.authority.forge(
            commonName: Plant.id, extensions: Self.extensions, issuer: issuer)
        try plant.put("pending.key", Self.read(device.key))
        let middle = try Self.certificates(issuer.certificate)
        try plant.answer("cacerts", bag: middle + [plant.authority.authority.certificate])
        try plant.answer("simpleenroll", bag: Self.certificates(device.certificate))
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result.error)")
        let chain = Array(try #require(plant.content("device.pem")).utf8)
        #expect(try Certificate.all(inPEM: chain.span).count == 2)
        try plant.expectOnboarded()
    }

    @Test func `a label without a token shows none`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        try plant.set("token", nil)
        #expect(try plant.onboard().result().status == 0)
        #expect(!plant.toldToken)
        try plant.expectOnboarded()
    }

    @Test func `a label comes from standard input too, and steps as JSON`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        let result = try plant.onboard(["--json"], input: plant.labelText + "\r\n").result()
        #expect(result.status == 0, "\(result.error)")
        let steps = try result.output.split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
        try #require(
            steps.map { $0["step"] } == [
                "label", "key", "bootstrap", "anchor", "authorities", "attributes", "enrol", "issued", "done",
            ])
        #expect(steps[0]["detail"] == Plant.id && steps[7]["detail"] == "urn:dev:mac:0024befffe804ff1")
        #expect(plant.hasLabel, "a file that was not named is left alone")
        try FileManager.default.removeItem(at: plant.labelFile)
        try plant.expectOnboarded()
    }

    @Test("CLK-01 a board without a clock is onboarded") func noClock() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        let result = try plant.onboard(before: FakeTime.command("1970-01-01 00:00:10")).result()
        #expect(result.status == 0, "\(result.error)")
        try plant.expectOnboarded()
    }

    @Test func `the second run says that it is done, and asks nobody`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let asked = plant.requests.count
        let credential = plant.content("device.pem")
        // With the label gone, and as a run leaves it that was cut short: overwritten, all of it or its end, or whole.
        let zeros = String(repeating: "\0", count: 300)
        for text in [nil, zeros, plant.labelText + zeros, plant.labelText] {
            if let text { try Data(text.utf8).write(to: plant.labelFile) }
            if text == plant.labelText { try plant.restorePendingKey() }
            let result = try plant.onboard().result()
            #expect(result.status == 0 && result.output.contains("onboarded"), "\(result)")
            #expect(!plant.hasLabel)
        }
        #expect(plant.requests.count == asked && plant.content("device.pem") == credential)
        try plant.expectOnboarded()
    }

    @Test func `while the certificate is good a new label is not used, and not used up`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let (asked, files) = (plant.requests.count, plant.files)
        try plant.set("token", "a-token-of-the-next-invitation")
        for input in [nil, plant.labelText] {
            let result = try plant.onboard(input: input).result()
            #expect(result.status == 0 && result.error.isEmpty, "\(result)")
            #expect(result.output.hasSuffix("good certificate: this label was not used\n"), "\(result)")
            #expect(!result.output.contains("onboarded"), "\(result)")
        }
        #expect(try String(contentsOf: plant.labelFile, encoding: .utf8) == plant.labelText + "\n")
        #expect(plant.requests.count == asked && plant.files == files)
    }

    @Test func `what another label made is left alone, and so is the label`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let files = plant.files
        for (key, value) in [("root", String(repeating: "0", count: 64)), ("ca", String(repeating: "1", count: 64))] {
            let before = try #require(plant.label.first { $0.key == key }).value
            try plant.set(key, value)
            let result = try plant.onboard().result()
            #expect(result.status == 2 && result.error.contains("device.pem is of another label"), "\(result)")
            #expect(plant.hasLabel && plant.files == files)
            try plant.set(key, before)
        }
    }

    @Test func `the root of a configuration is what a device reads of it`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let root = String(repeating: "0a", count: 32)
        let configuration = try #require(plant.content("martlet.conf"))
        func onboard(_ configuration: String) throws -> Run.Result {
            try plant.put("martlet.conf", Array(configuration.utf8))
            try plant.writeLabel()
            return try plant.onboard().result()
        }
        var result = try onboard(configuration.replacing("root = \(root)", with: " root=\(root)\r"))
        #expect(result.status == 0 && result.output.contains("good certificate"), "\(result)")
        let other = configuration.replacing(root, with: String(repeating: "0b", count: 32))
        result = try onboard(other + "[mine]\nroot = \(root)\n")
        #expect(result.status == 2 && result.error.contains("is of another label") && plant.hasLabel, "\(result)")
        result = try onboard(configuration + "[quota]\nbytes-per-week = 1\n")
        #expect(result.status == 2 && result.error.contains("unknown key 'bytes-per-week'"), "\(result)")
    }

    @Test func `what an earlier run left is durable before the label goes`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        try plant.writeLabel()
        try plant.restorePendingKey()
        let trace = plant.root.appending(path: "trace").path
        let result = try plant.onboard(before: ["strace", "-f", "-qq", "-o", trace, "-e", "trace=fsync,write,unlinkat"])
            .result()
        #expect(result.status == 0 && !plant.hasLabel, "\(result)")
        let calls = try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n")
        let zeros = try #require(calls.firstIndex { $0.contains(#"write("#) && $0.contains(#""\0\0"#) })
        // Of the directory, and of its parent.
        #expect(calls[..<zeros].count { $0.contains("fsync(") } == 2, "\(calls)")
    }

    @Test func `a credential of two files counts as onboarded`() throws {
        let plant = try Plant()
        let device = try plant.authority.device(Plant.id)
        let labelText = Array(plant.labelText.utf8)
        let label = try EnrolmentLabel(parsing: labelText.span)
        let (broker, registrar) = (try #require(label.broker), try #require(label.registrar))
        var text = DeviceFiles.configuration(label, broker: broker, registrar: registrar)
        text = Array(String(decoding: text, as: UTF8.self).replacing("key = device.pem", with: "key = device.key").utf8)
        try plant.put("martlet.conf", text)
        try plant.put("anchors.pem", plant.authority.authority.certificate.pem())
        try plant.put("device.key", device.key.pem())
        try plant.put("device.pem", device.certificate.pem())
        try plant.expectUsable()
        #expect(try plant.onboard().result().status == 0)
        #expect(plant.hasLabel && plant.requests.isEmpty)
        #expect(plant.files == ["anchors.pem", "device.key", "device.pem", "martlet.conf"])
    }

    @Test func `a credential that has ended gives way to that of a new label, for the same id and root`() throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let credential = try #require(plant.content("device.pem"))
        let configuration = try #require(plant.content("martlet.conf")) + "[mine]\nx = 1\n"
        try plant.put("martlet.conf", Array(configuration.utf8))
        let ended = try OnboardTests.ended(plant)
        try plant.put("device.pem", ended)
        try plant.writeLabel()
        // The broker's, which renewal may have brought.
        let other = try String(decoding: TestAuthority().authority.certificate.pem(), as: UTF8.self)
        let own = try #require(plant.content("anchors.pem"))
        try plant.put("anchors.pem", Array(other.utf8))

        try plant.set("root", String(repeating: "0", count: 64))
        var result = try plant.onboard().result()
        #expect(result.status == 2 && result.error.contains("is of another label"), "\(result)")
        try plant.set("root", String(repeating: "0a", count: 32))
        try plant.answer("simpleenroll", status: 401)
        let program = plant.authority.folder.path + "/simpleenroll.run"
        try FileManager.default.moveItem(atPath: program, toPath: program + "-not")
        result = try plant.onboard().result()
        #expect(result.status == 1 && result.error.contains("refused the token"), "\(result)")
        #expect(plant.content("device.pem").map { Array($0.utf8) } == ended && plant.hasLabel)

        try FileManager.default.moveItem(atPath: program + "-not", toPath: program)
        result = try plant.onboard().result()
        #expect(result.status == 0 && result.output.contains("goes on with the key"), "\(result)")
        try plant.expectOnboarded()
        #expect(plant.content("martlet.conf") == configuration, "what its owner wrote stays")
        let new = try #require(plant.content("device.pem"))
        #expect(new.hasPrefix("generation = 8\n") && new != credential)
        #expect(plant.content("anchors.pem") == other + own)
    }

    @Test(arguments: [true, false]) func `the authority is looked for in the file that martlet.conf names`(
        _ isInLabel: Bool
    ) throws {
        let plant = try Plant()
        try plant.certifyAnything()
        #expect(try plant.onboard().result().status == 0)
        let anchors = plant.directory.appending(path: "anchors.pem")
        try FileManager.default.moveItem(at: anchors, to: plant.directory.appending(path: "ca.pem"))
        let configuration = try #require(plant.content("martlet.conf"))
        try plant.put("martlet.conf", Array(configuration.replacing("anchors.pem", with: "ca.pem").utf8))
        if isInLabel { try plant.writeLabel() } else { try plant.set("ca", nil) }
        let unused = try plant.onboard().result()
        #expect(unused.status == 0 && unused.output.contains("not used"), "\(unused)")
        try plant.put("device.pem", Self.ended(plant))
        let result = try plant.onboard().result()
        #expect(result.status == 0, "\(result)")
        #expect(plant.files == ["ca.pem", "device.pem", "martlet.conf"] && !plant.hasLabel)
        try plant.expectUsable()

        // In another directory it could not be written.
        try FileManager.default.moveItem(
            at: plant.directory.appending(path: "ca.pem"), to: plant.root.appending(path: "ca.pem"))
        try plant.put("martlet.conf", Array(configuration.replacing("anchors.pem", with: "../ca.pem").utf8))
        try plant.put("device.pem", Self.ended(plant))
        try plant.writeLabel()
        let asked = plant.requests.count
        let elsewhere = try plant.onboard().result()
        #expect(elsewhere.status == 2 && elsewhere.error.contains("/../ca.pem: the file"), "\(elsewhere)")
        #expect(plant.requests.count == asked && plant.hasLabel)
    }

    /// A device's credential of the seventh generation, which has ended.
    static func ended(_ plant: Plant) throws -> [UInt8] {
        let key = try PrivateKey.generate(.p256)
        let certificate = try plant.authority.authority.issueDevice(
            key.publicKey, commonName: Plant.id, uri: "urn:dev:mac:0024befffe804ff1",
            notBefore: plant.authority.notBefore, notAfter: plant.authority.notBefore + 3600)
        return try Array("generation = 7\n".utf8) + key.pem() + certificate.pem()
    }

    static let extensions = [
        "basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth",
        "subjectAltName=URI:urn:dev:mac:0024befffe804ff1", "subjectKeyIdentifier=hash",
    ]

    static func certificates(_ path: String) throws -> [Certificate] {
        let text = try read(path)
        return try Certificate.all(inPEM: text.span)
    }

    static func read(_ path: String) throws -> [UInt8] { try [UInt8](Data(contentsOf: URL(filePath: path))) }
}
