// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
internal import MartletEnvelope
public import MartletMessages

/// What a device is told about trust before it is told anything by the network: the root, and its own name.
public final class TrustRoot {
    /// SHA-256 of the DER SubjectPublicKeyInfo of one root key, which must have signed the first document.
    public let digest: Digest
    /// What `aud` must be.
    public let deviceName: [UInt8]
    public let keys: any KeyReading
    public let hashing: any Hashing

    public init(_ digest: Digest, deviceName: [UInt8], keys: any KeyReading, hashing: any Hashing) {
        self.digest = digest
        self.deviceName = deviceName
        self.keys = keys
        self.hashing = hashing
    }
}

/// A trust document whose signatures hold: who may command what.
public final class TrustPolicy {
    public let document: TrustDocument
    /// SHA-256 of the payload: what the document says, whoever signed it.
    public let digest: Digest
    /// The message as it came, to be stored.
    public let message: [UInt8]

    let controllers: [Controller]

    public var version: UInt64 { document.version }

    /// The first document of a device: the pinned root is one of its roots, and has signed it; so have as many roots
    /// as it asks for itself.
    public static func first(_ message: [UInt8], _ root: TrustRoot) throws(Refusal) -> TrustPolicy {
        var structure = Envelope.makeStructure()
        let opened = try TrustCandidate(decoding: message.span, root)
        try opened.checkSigners(after: nil, root)
        try opened.verify(message.span, after: nil, root, &structure)
        return try TrustPolicy(opened, message.span, root)
    }

    /// A document that this device has verified and stored where nobody else can write: signatures are not checked
    /// again.
    convenience init(stored message: [UInt8], _ root: TrustRoot) throws(Refusal) {
        try self.init(TrustCandidate(decoding: message.span, root), message.span, root)
    }

    /// The document that a run begins with; nil if there is none. Throws if the stored one cannot be read: an older one in
    /// its place would bring back who was revoked.
    ///
    /// - Parameters:
    ///   - message: the document that was put into force last; empty if there was none.
    ///   - origin: digest of the root that was pinned then; empty if nobody wrote that down. If another is pinned now that
    ///     is not among the document's roots either, the document is void: whoever has the file system in hand may begin
    ///     anew.
    ///   - first: the document that was installed with the device; it counts if it is newer.
    public static func inForce(
        stored message: [UInt8], origin: [UInt8], first: TrustPolicy?, _ root: TrustRoot
    ) throws(Refusal) -> TrustPolicy? {
        if message.isEmpty { return first }
        let stored = try TrustPolicy(stored: message, root)
        let goesBack =
            origin.isEmpty || root.digest == Digest(copying: origin.span) || !root.pinned(in: stored.document).isEmpty
        guard goesBack, stored.version >= first?.version ?? 0 else { return first }
        return stored
    }

    /// Throws `badDocument` if a key in it is none.
    init(_ opened: TrustCandidate, _ message: Span<UInt8>, _ root: TrustRoot) throws(Refusal) {
        let document = opened.document
        var controllers: [Controller] = []
        for key in document.roots { _ = try root.verifier(of: key) }
        for controller in document.controllers {
            controllers.append(
                Controller(controller, key: try root.verifier(of: controller.key), roles: document.policy))
        }
        self.document = document
        self.digest = opened.digest
        self.message = [UInt8](copying: message)
        self.controllers = controllers
    }
}

extension TrustRoot {
    /// The pinned one of the document's roots; none if it is not among them.
    @inline(never)
    func pinned(in document: TrustDocument) -> [TrustDocument.Key] {
        document.roots.filter { key in
            let spki = key.spki
            return hashing.sha256(spki.span) == digest
        }
    }

    /// Throws `badDocument` if it is no key.
    func verifier(of key: TrustDocument.Key) throws(Refusal) -> any Verifier {
        let spki = key.spki
        guard let verifier = keys.verifier(publicKey: spki.span) else { throw .badDocument }
        return verifier
    }
}
