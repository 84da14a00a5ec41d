// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletCOSE
public import MartletCommands
public import MartletEnvelope
public import MartletMessages

/// The roots of a device in a test, and the documents that they sign.
public final class TestTrust {
    /// The first one is pinned.
    public let keys: [TestKey]
    /// What the device is told.
    public let root: TrustRoot

    public init(
        roots: Int = 1, deviceName: [UInt8], seed: UInt64, hasRealKeys: Bool = true
    ) throws(TestKitError) {
        var keys: [TestKey] = [try TestKey(seed: seed, isReal: hasRealKeys)]
        for index in 1..<max(1, roots) {
            keys.append(try TestKey(seed: seed &+ 1000 &* UInt64(index), isReal: hasRealKeys))
        }
        self.keys = keys
        let (pinned, hashing) = (keys[0].publicKey, keys[0].hashing)
        let reading: any KeyReading = hasRealKeys ? OpenSSLKeyReading() : StandInKeyReading(hashing: hashing)
        root = TrustRoot(hashing.sha256(pinned.span), deviceName: deviceName, keys: reading, hashing: hashing)
    }

    /// A document with all roots, in which the role `operate` has a rule for each of the commands.
    public func document(
        version: UInt64 = 1, threshold: Int = 1, _ controllers: [TestController], commands: [[UInt8]]
    ) -> TrustDocument {
        let rules = commands.map { TrustDocument.Rule(command: $0) }
        return TrustDocument(
            version: version, roots: keys.map { $0.trusted }, threshold: threshold,
            controllers: controllers.map { $0.trusted },
            policy: [TrustDocument.Role(name: TestRole.operate.name, rules: rules)])
    }

    /// The message that makes a document known; all roots sign unless the test names others.
    public func message(_ document: TrustDocument, by signers: [TestKey]? = nil) throws(TestKitError) -> [UInt8] {
        guard let payload = try? document.encoded() else { throw .message }
        return try message(payload, by: signers ?? keys)
    }

    /// The same with a payload, claims and an audience of the test's own making.
    public func message(
        _ payload: [UInt8], by signers: [TestKey], _ claims: Claims = Claims(purpose: .trust), audience: [UInt8]? = nil
    ) throws(TestKitError) -> [UInt8] {
        var message: [UInt8] = [0x80 | UInt8(truncatingIfNeeded: signers.count)]
        for signer in signers {
            let name: StaticString = "urn:example:root"
            let issuer = [UInt8](UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
            do throws(EnvelopeError) {
                _ = try signer.sealer(issuer).seal(
                    claims, audience: audience, contentType: ContentFormat.cbor, payload: payload.span, into: &message)
            } catch {
                throw .envelope(error)
            }
        }
        return message
    }

    /// The first document of a device that obeys these controllers, for one run.
    public func policy(_ controllers: [TestController], commands: [[UInt8]]) throws(TestKitError) -> TrustPolicy {
        try policy(message(document(controllers, commands: commands)))
    }

    /// The same for a first document that is signed already.
    public func policy(_ message: [UInt8]) throws(TestKitError) -> TrustPolicy {
        do throws(Refusal) { return try TrustPolicy.first(message, root) } catch { throw .trust(error) }
    }
}

/// What a controller of a test may do.
public enum TestRole: Sendable {
    /// Answers births.
    case gateway
    /// Sends commands.
    case operate

    /// As the trust document has it.
    public var name: [UInt8] {
        let name: StaticString =
            switch self {
            case .gateway: TrustDocument.gatewayRole
            case .operate: "operate"
            }
        return [UInt8](UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
    }
}

extension TestKey {
    /// As a trust document lists it.
    public var trusted: TrustDocument.Key { TrustDocument.Key(publicKey, hashing: hashing) }
}

extension TestController {
    /// As a trust document lists it.
    public var trusted: TrustDocument.Controller {
        TrustDocument.Controller(name: name, key: key.trusted, roles: [role.name])
    }
}
