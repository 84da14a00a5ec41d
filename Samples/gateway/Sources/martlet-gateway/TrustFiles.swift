// SPDX-License-Identifier: Apache-2.0

import MartletController

/// The trust documents, signed, one file for each version: `trust/1.cbor` and so on.
struct TrustFiles {
    /// The first root's key. It belongs elsewhere once the devices are made.
    static let rootKey = "root.key"
    private static let issuer = Array("urn:martlet:root".utf8)

    let place: String
    private let files: PrivateDirectory

    init(_ directory: GatewayDirectory) throws(Failure) {
        place = directory.place("trust")
        files = try directory.directory("trust")
    }

    /// The message of a version; nil if there is none.
    func message(_ version: UInt64) throws(Failure) -> [UInt8]? {
        let name = "\(version).cbor"
        return try at("\(place)/\(name)") { () throws(PosixError) in
            try files.find(name, limit: Envelope.maximumSize)
        }
    }

    /// The highest version from `first` on that is there without a hole; one less than `first` if there is none.
    func newest(from first: UInt64 = 1) throws(Failure) -> UInt64 {
        var version = first
        while try message(version) != nil { version += 1 }
        return version - 1
    }

    func document() throws(Failure) -> TrustDocument { try document(newest()) }

    private func document(_ version: UInt64) throws(Failure) -> TrustDocument {
        guard let message = try message(version), let document = try? TrustSigner.document(of: message.span) else {
            throw Failure("\(place)/\(version).cbor: not a trust document")
        }
        return document
    }

    /// Signs a document and stores it. Throws if it breaks a limit, or if devices would not take it.
    func store(_ document: TrustDocument, signedBy keys: [PrivateKey]) throws(Failure) {
        do throws(MessageError) { _ = try document.encoded() } catch { throw Failure(error.words) }
        let signers = try keys.map { (key) throws(Failure) in try TrustName.entry(key.publicKey) }
        let message = try Self.sign(document, keys)
        if document.version > 1 { try require(signers, for: try self.document(document.version - 1), "present") }
        try require(signers, for: document, "new")
        let name = "\(document.version).cbor"
        // In one step: a part of a document must never be taken for one.
        if try self.message(document.version) != nil { throw Failure("\(place)/\(name) was made meanwhile: try again") }
        try at("\(place)/\(name)") { () throws(PosixError) in try files.replace(name, message.span) }
    }

    private static func sign(_ document: TrustDocument, _ keys: [PrivateKey]) throws(Failure) -> [UInt8] {
        do throws(SigningError) { return try TrustSigner(issuer: issuer, keys: keys).sign(document) } catch {
            throw Failure("the document cannot be signed: name 1 to 4 different keys with --key (\(error))")
        }
    }

    private func require(
        _ signers: [TrustDocument.Key], for document: TrustDocument, _ which: String
    ) throws(Failure) {
        let count = signers.count { document.roots.contains($0) }
        if count < document.threshold {
            throw Failure(
                "\(count) of the \(document.threshold) roots that the \(which) document needs would sign: "
                    + "name their private keys with --key")
        }
    }

    /// What a new device is given: the newest document, and one of its roots that signed it.
    func first() throws(Failure) -> (message: [UInt8], root: TrustDocument.Key) {
        let version = try newest()
        let document = try document(version)
        guard let message = try message(version), let parts = TrustMessage(decoding: message.span),
            let root = document.roots.first(where: { root in parts.envelopes.contains { $0.keyID == root.id } })
        else { throw Failure("\(place)/\(version).cbor: signed by none of its own roots") }
        return (message, root)
    }
}

extension MessageError {
    /// Why a document cannot be.
    fileprivate var words: String {
        switch self {
        case .badValue(1): "there are 1 to 4 roots, each with a key of its own"
        case .badValue(2): "the threshold is from 1 to the number of roots"
        case .badValue(3):
            "there are at most 16 controllers, each with a name, a key of its own that is no root's, and 1 to 8 roles "
                + "([a-z][a-z0-9-]*, 32 bytes)"
        case .badValue(4): "there are at most 32 rules in all; roles and commands are [a-z][a-z0-9-]*, 32 bytes"
        default: "the document breaks a limit of the protocol"
        }
    }
}

/// SHA-256 of a key, as a device's configuration pins it.
func fingerprint(_ key: TrustDocument.Key) throws(Failure) -> String {
    let digest = try issue("SHA-256") { () throws(OpenSSLError) in try SHA256() }.digest(key.spki.span)
    return hex(digest.indices.map { digest[$0] })
}
