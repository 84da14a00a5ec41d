// SPDX-License-Identifier: Apache-2.0

import COpenSSL
import Foundation
import Testing

@testable import MartletOpenSSL

@Suite struct CertificateBagTests {
    let ca: TestCertificates

    init() throws { ca = try TestCertificates() }

    private func read(_ der: [UInt8]) throws(OpenSSLError) -> [[UInt8]] {
        var all: [[UInt8]] = []
        for certificate in try CertificateBag.certificates(in: der.span) { all.append(try certificate.der) }
        return all
    }

    /// Runs openssl with a file `certificates.pem`, and returns what it wrote.
    private func openssl(_ arguments: String, _ pem: [UInt8], input: [UInt8] = []) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bag-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(pem).write(to: folder.appending(path: "certificates.pem"))
        try Data(input).write(to: folder.appending(path: "input"))
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/openssl")
        process.currentDirectoryURL = folder
        process.arguments = arguments.split(separator: " ").map(String.init)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let written = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return [UInt8](written)
    }

    @Test func `what openssl packs is read, and it reads what is packed here`() throws {
        let (device, root) = (try ca.device(), ca.root)
        let pem = try device.pem() + root.pem()
        #expect(
            try read(openssl("crl2pkcs7 -nocrl -certfile certificates.pem -outform DER", pem)).sorted {
                $0.lexicographicallyPrecedes($1)
            } == [device.der, root.der].sorted { $0.lexicographicallyPrecedes($1) })
        let ours = try CertificateBag.der([device, root])
        let printed = try openssl("pkcs7 -inform DER -in input -print_certs", [], input: ours)
        let text = try #require(String(bytes: printed, encoding: .utf8))
        #expect(text.components(separatedBy: "BEGIN CERTIFICATE").count == 3)
        #expect(try read(ours).count == 2)
    }

    @Test func `every prefix and a trailing byte are refused`() throws {
        let der = try CertificateBag.der([ca.device()])
        for count in 0..<der.count {
            expect(.malformed, "\(count) bytes") { try read(Array(der[..<count])) }
        }
        expect(.malformed) { try read(der + [0]) }
        #expect(ERR_peek_error() == 0)
    }

    @Test func `a flipped bit never traps`() throws {
        let der = try CertificateBag.der([ca.device()])
        for bit in 0..<(der.count * 8) {
            var damaged = der
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            _ = try? read(damaged)
        }
        #expect(ERR_peek_error() == 0)
    }

    @Test func `a bag without certificates, or with too many or too much, is refused`() throws {
        let device = try ca.device()
        expect(.malformed) { try read(CertificateBag.der([])) }
        let most = Array(repeating: device, count: CertificateBag.maximumCertificates)
        #expect(try read(CertificateBag.der(most)).count == CertificateBag.maximumCertificates)
        expect(.tooLarge) { try read(CertificateBag.der(most + [device])) }
        expect(.tooLarge) { try read([UInt8](repeating: 0x30, count: CertificateBag.maximumCount + 1)) }
    }

    @Test func `content that is signed or encrypted is no bag of certificates`() throws {
        let pem = try ca.device().pem() + ca.key.pem()
        let signed = try openssl(
            "smime -sign -in input -signer certificates.pem -outform DER -nodetach", pem, input: [1, 2, 3])
        expect(.malformed) { try read(signed) }
        let plain = try openssl("cms -data_create -in input -outform DER", [], input: [1, 2, 3])
        expect(.malformed) { try read(plain) }
    }
}
