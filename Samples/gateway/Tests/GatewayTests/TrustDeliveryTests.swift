// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import Testing

@testable import martlet_gateway

@Suite final class TrustDeliveryTests {
    private let path = NSTemporaryDirectory() + "gateway-" + UUID().uuidString
    private let files: TrustFiles
    private let key: PrivateKey
    private let device = Array("pump-7".utf8)

    init() throws {
        _ = try PrivateDirectory.make(path)
        files = try TrustFiles(GatewayDirectory(path: path))
        key = try PrivateKey.generate(.ed25519)
        try add(12)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func add(_ count: UInt64) throws {
        let newest = try files.newest()
        for version in newest + 1...newest + count {
            let document = TrustDocument(
                version: version, roots: [try TrustSigner.entry(key.publicKey)], threshold: 1, controllers: [],
                policy: [])
            try files.store(document, signedBy: [key])
        }
    }

    private func versions(_ messages: [[UInt8]]) throws -> [UInt64] {
        try messages.map { try TrustSigner.document(of: $0.span).version }
    }

    @Test func `a device gets what it misses, in order, a batch at a time`() throws {
        let delivery = try TrustDelivery(files)
        #expect(try versions(delivery.take(for: device, with: 12, now: 0)).isEmpty)
        #expect(try versions(delivery.take(for: device, with: 1, now: 0)) == Array(2...9))
        // Births while these are on their way, and when they have arrived.
        #expect(try delivery.take(for: device, with: 3, now: 100).isEmpty)
        #expect(try delivery.take(for: device, with: 9, now: 200).isEmpty)
        #expect(try versions(delivery.takeDue(now: 9999).flatMap(\.documents)).isEmpty)
        #expect(try versions(delivery.takeDue(now: 10_000).flatMap(\.documents)) == [10, 11, 12])
        #expect(try delivery.take(for: device, with: 12, now: 10_100).isEmpty)
        #expect(try delivery.takeDue(now: 100_000).flatMap(\.documents).isEmpty)
    }

    @Test func `what was lost goes out again after the next birth`() throws {
        let delivery = try TrustDelivery(files)
        #expect(try versions(delivery.take(for: device, with: 10, now: 0)) == [11, 12])
        #expect(try delivery.takeDue(now: 100_000).flatMap(\.documents).isEmpty)
        #expect(try versions(delivery.take(for: device, with: 10, now: 100_000)) == [11, 12])
    }

    @Test func `a new document goes to every device that was heard of`() throws {
        let delivery = try TrustDelivery(files)
        #expect(try delivery.take(for: device, with: 12, now: 0).isEmpty && !delivery.lookForNewer())
        try add(1)
        #expect(try delivery.lookForNewer() && delivery.version == 13 && !delivery.lookForNewer())
        #expect(try versions(delivery.takeDue(now: 1).flatMap(\.documents)) == [13])
    }

    @Test func `what could not be queued becomes due again after the pause`() throws {
        let delivery = try TrustDelivery(files)
        #expect(try versions(delivery.take(for: device, with: 10, now: 0)) == [11, 12])
        delivery.postpone(device)
        #expect(try delivery.takeDue(now: 9999).flatMap(\.documents).isEmpty)
        #expect(try versions(delivery.takeDue(now: 10_000).flatMap(\.documents)) == [11, 12])
        #expect(try delivery.takeDue(now: 100_000).flatMap(\.documents).isEmpty)
    }

    @Test func `a document that cannot be read is an error, not the end of the documents`() throws {
        let delivery = try TrustDelivery(files)
        try FileManager.default.removeItem(atPath: path + "/trust/12.cbor")
        try FileManager.default.createDirectory(atPath: path + "/trust/12.cbor", withIntermediateDirectories: false)
        for body in [
            { _ = try self.files.newest() }, { try self.add(1) },
            { _ = try delivery.take(for: self.device, with: 10, now: 0) },
        ] as [() throws -> Void] {
            let failure = #expect(throws: Failure.self) { try body() }
            #expect(failure?.description.hasPrefix(path + "/trust/12.cbor: ") == true)
        }
    }

    @Test func `a device without a document is sent all`() throws {
        #expect(try versions(TrustDelivery(files).take(for: device, with: 0, now: 0)) == Array(1...12))
    }
}
