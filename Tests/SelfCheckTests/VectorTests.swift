// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL
import TestSupport
import Testing

@testable import SelfCheck

/// The program has its vectors in its source. These are the files that they must equal.
@Suite struct VectorTests {
    @Test func `the program has RFC 8949 appendix A, in order`() throws {
        struct Entry: Decodable { let hex: String, roundtrip: Bool }
        let file = try JSONDecoder().decode([Entry].self, from: Vectors.data("cbor-appendix-a.json"))
        #expect(CBORVector.all.map { "\($0.bytes)" } == file.map(\.hex))
        #expect(CBORVector.all.map(\.isDeterministic) == file.map(\.roundtrip))
    }

    @Test func `the program has every file of cose-sign1, and its key`() throws {
        struct Entry: Decodable {
            struct Input: Decodable { let sign0: Sign0 }
            struct Sign0: Decodable { let key: Key, external: String? }
            struct Key: Decodable { let x: String, y: String }
            struct Output: Decodable { let cbor: String }
            let fail: Bool?, input: Input, output: Output
        }
        let names = try Vectors.files("cose-sign1")
        #expect(COSEVector.all.map { "\($0.name).json" } == names)
        let key = hex(try Vectors.p256().publicKey.spki)
        #expect(digits(COSEVector.publicKey) == key)
        for (vector, name) in zip(COSEVector.all, names) {
            let file = try JSONDecoder().decode(Entry.self, from: Vectors.data("cose-sign1/\(name)"))
            #expect(digits(vector.message) == file.output.cbor.lowercased(), "\(name)")
            #expect(digits(vector.external) == file.input.sign0.external ?? "", "\(name)")
            #expect(vector.isForged == (file.fail ?? false), "\(name)")
            let point = hex(try base64url(file.input.sign0.key.x)) + hex(try base64url(file.input.sign0.key.y))
            #expect(key.hasSuffix(point), "\(name)")
        }
    }

    @Test func `the program has every envelope and the SenML pack`() throws {
        let names = try Vectors.files("envelopes").map { "envelopes/\($0)" } + ["senml-pack.hex"]
        #expect(ByteVector.files.map { "\($0.name).hex" } == names.map { URL(filePath: $0).lastPathComponent })
        for (vector, name) in zip(ByteVector.files, names) {
            #expect(digits(vector.digits) == hex(try Vectors.hex(name)), "\(name)")
        }
    }

    @Test func `the program has every block of the protocol document`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..")
        let text = try String(contentsOf: root.appending(path: "Sources/PROTOCOL.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```hex ").dropFirst().map { block in
            block.prefix { $0 != "`" }.split(separator: "\n")
        }
        #expect(ByteVector.examples.map { "\($0.name)" } == blocks.map { $0.first.map(String.init) })
        for (vector, block) in zip(ByteVector.examples, blocks) {
            let lines = block.dropFirst().map { $0.prefix { $0 != "#" }.filter { !$0.isWhitespace } }
            #expect(digits(vector.digits) == lines.joined(), "\(vector.name)")
        }
    }

    @Test func `the program's private key is the one that signed the envelopes`() throws {
        #expect("\(TestVectorKey.ed25519)\n" == String(decoding: try Vectors.ed25519().pem(), as: UTF8.self))
    }

    /// As the program reads them.
    private func digits(_ text: StaticString) -> String { hex(bytes(hex: text)) }

    private func base64url(_ text: String) throws -> Data {
        let standard = text.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        return try #require(Data(base64Encoded: standard + String(repeating: "=", count: (4 - standard.count % 4) % 4)))
    }
}

@Suite struct RunTests {
    @Test func `one failed check is enough for failure, and those after it are run`() {
        nonisolated(unsafe) var order: [Int] = []
        let good = Check("a check that passes") { () throws(Failure) in order.append(1) }
        let bad = Check("a check that fails, on purpose") { () throws(Failure) in
            order.append(2)
            try require(1 > 2, "one is not more than", number: 2, name: "(two)")
        }
        #expect(run([good]) == true)
        #expect(run([good, bad, good]) == false)
        #expect(order == [1, 1, 2, 1])
    }
}
