// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletAdapters
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import TestSupport
import Testing

/// An onboarded device whose certificate is due, its registrar, which asks for it, and its broker with a listener.
final class RenewPlant {
    static let name = "urn:dev:mac:0024befffe804ff1"
    static let day: Int64 = 86_400

    let plant: Plant
    let broker: Broker
    private let tls: Broker.TLS
    private(set) var key: PrivateKey
    private(set) var certificate: Certificate
    private let listener: ChildProcess

    /// - Parameters:
    ///   - days: when the device's certificate began and ends, from now on.
    ///   - takesEnded: whether the registrar takes certificates that have ended.
    ///   - broker: as whom, and with which authorities, given the plant's own.
    init(
        days: ClosedRange<Int64> = -80...20, takesEnded: Bool = false,
        broker: (TestAuthority) throws -> Broker.TLS = { Broker.TLS($0) }
    ) throws {
        plant = try Plant(asksForCertificate: true, takesEnded: takesEnded)
        let authority = plant.authority
        tls = try broker(authority)
        self.broker = try Broker(tls: tls)
        (key, certificate) = try Self.device(authority, days)
        let back = try authority.client("back-end")
        listener = try ChildProcess(
            "stdbuf",
            [
                "-oL", "mosquitto_sub", "-d", "-h", "127.0.0.1", "--insecure", "-p", "\(self.broker.port)", "--cafile",
                tls.anchors,
                "--cert", back.certificatePath, "--key", back.keyPath, "-t", "martlet/v1/+/event", "-q", "1", "-F",
                "EVENT %t %x.",
            ])
        try listener.waitForOutput("Subscribed", seconds: 10)
        try plant.certifyAnything("simplereenroll")
        try plant.put("anchors.pem", authority.authority.certificate.pem())
        try configure()
        try putCredential()
    }

    private static func device(
        _ authority: TestAuthority, _ days: ClosedRange<Int64>
    ) throws -> (PrivateKey, Certificate) {
        let key = try PrivateKey.generate(.p256)
        let now = Int64(Date().timeIntervalSince1970)
        let certificate = try authority.authority.issueDevice(
            key.publicKey, commonName: Plant.id, uri: name, notBefore: now + days.lowerBound * day,
            notAfter: now + days.upperBound * day)
        return (key, certificate)
    }

    /// - Parameters:
    ///   - registrar: its address; nil: none is named.
    ///   - port: where the broker is found, if a relay is in front of it.
    func configure(
        registrar: String? = "", key: String = "device.pem", certificate: String = "device.pem", port: UInt16? = nil
    ) throws {
        var lines = [
            "[device]", "id = \(Plant.id)", "[mqtt]", "host = localhost", "port = \(port ?? broker.port)", "[identity]",
            "key = \(key)", "certificate = \(certificate)", "anchors = anchors.pem", "[trust]",
            "root = \(String(repeating: "0a", count: 32))",
        ]
        if let registrar {
            lines += ["[enrolment]", "registrar = \(registrar.isEmpty ? "localhost:\(plant.server.port)" : registrar)"]
        }
        try plant.put("martlet.conf", Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    func putCredential() throws {
        try plant.put("device.pem", Array("generation = 1\n".utf8) + key.pem() + certificate.pem())
    }

    /// Nobody is there any more to whom the broker could give an event.
    func endListener() { listener.stop() }

    /// As it was before the first renewal.
    func reset() throws {
        try? FileManager.default.removeItem(at: plant.directory)
        try plant.put("anchors.pem", plant.authority.authority.certificate.pem())
        try configure()
        try putCredential()
    }

    /// The credential in a file.
    func credential(_ name: String = "device.pem") throws -> (key: PrivateKey, leaf: Certificate, generation: String)? {
        guard let content = plant.content(name) else { return nil }
        let text = Array(content.utf8)
        guard let key = try? PrivateKey(pem: text.span), let leaf = try? Certificate.all(inPEM: text.span).first else {
            return nil
        }
        return (key, leaf, String(content.prefix { $0 != "\n" }))
    }

    /// What is there is what was there before.
    func expectUnchanged(
        also files: [String] = [], _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = (["anchors.pem", "device.pem", "martlet.conf"] + files).sorted()
        #expect(plant.files == expected, comment, sourceLocation: sourceLocation)
        let found = try credential()
        #expect(try found?.leaf.der == certificate.der, comment, sourceLocation: sourceLocation)
    }

    /// A new credential is in place, of the next generation, and nothing is left of the way there.
    func expectRenewed(_ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(
            plant.files == ["anchors.pem", "device.pem", "martlet.conf"], comment, sourceLocation: sourceLocation)
        let found = try #require(try credential(), comment, sourceLocation: sourceLocation)
        #expect(found.generation == "generation = 2", comment, sourceLocation: sourceLocation)
        #expect(try found.leaf.der != certificate.der, comment, sourceLocation: sourceLocation)
        #expect(found.leaf.uris == certificate.uris && found.leaf.commonName == certificate.commonName)
        try plant.expectUsable(comment, sourceLocation: sourceLocation)
    }

    /// Whether the broker lets in who shows the credential of this file, as independent eyes see it.
    func brokerTakes(_ name: String = "device.pem") -> Bool {
        let file = plant.directory.appending(path: name).path
        let client = try? ChildProcess(
            "mosquitto_pub",
            [
                "-h", "127.0.0.1", "--insecure", "-p", "\(broker.port)", "--cafile", tls.anchors, "--cert", file,
                "--key", file, "-t", "test", "-m", "x", "-q", "1",
            ])
        return (try? client?.waitForSuccess()) != nil
    }

    /// The events that the broker passed on.
    var events: [[UInt8]] {
        listener.output.components(separatedBy: "EVENT martlet/v1/\(Plant.id)/event ").dropFirst().compactMap {
            let digits = Array($0.prefix { $0 != "." }.utf8)
            return stride(from: 0, to: digits.count - 1, by: 2).map {
                UInt8(String(decoding: digits[$0...($0 + 1)], as: UTF8.self), radix: 16) ?? 0
            }
        }
    }

    func waitForEvent(times: Int = 1) throws { try listener.waitForOutput("EVENT ", times: times, seconds: 10) }

    /// The digest of the key that the event announces, if the device's first key signed it.
    func announced(_ event: [UInt8]) throws -> [UInt8] {
        let envelope = try Envelope(decoding: event.span)
        var structure = Envelope.makeStructure()
        _ = try envelope.verify(
            event.span, as: .event, with: KeyVerifier(key.publicKey), hashing: OpenSSLHashing(), structure: &structure)
        let payload = Array(event[envelope.payload])
        let content = try Event(decoding: payload.span)
        #expect(content.kind == .nextKey && content.values.map(\.code) == [0, 1, 2, 3])
        return content.values.flatMap { value in
            (0..<8).map { UInt8(truncatingIfNeeded: value.number >> (56 - 8 * $0)) }
        }
    }
}
