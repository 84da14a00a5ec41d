// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletOpenSSL
import MartletTestKit

/// Those who send something to the device: its gateway, its operator with a key of either kind, and a stranger.
final class CommandParty {
    enum Signer { case `operator`, stranger }
    enum Audience { case device, other }

    static let deviceName = bytes("urn:dev:ops:32473-device-1")
    static let command = Command(name: bytes("set-interval"), arguments: [.integer(60)])

    let trust: TestTrust
    let gateway: TestController
    let policy: TrustPolicy
    /// What the signature of the newest command covers.
    private(set) var signedBytes: [UInt8] = []
    /// That signature.
    private(set) var signature: [UInt8] = []
    /// The operator's, DER.
    let publicKey: [UInt8]

    private static let name = bytes("urn:martlet:operator")
    private let `operator`: EnvelopeSealer
    private let stranger: EnvelopeSealer
    private let random = SeededEntropy(seed: 1)
    private var sequence: UInt64 = 0
    private var structure = Envelope.makeStructure()

    init(_ kind: KeyKind) throws(BenchError) {
        do throws(TestKitError) {
            trust = try TestTrust(deviceName: Self.deviceName, seed: 2)
            gateway = try TestController(
                name: bytes("urn:martlet:gateway"), role: .gateway, audience: Self.deviceName, seed: 3)
            let key = try TestKey(kind, seed: 4)
            publicKey = key.publicKey
            `operator` = key.sealer(Self.name)
            stranger = try TestKey(kind, seed: 5).sealer(Self.name)
            var document = trust.document([gateway], commands: [Self.command.name])
            document.controllers.append(
                TrustDocument.Controller(name: Self.name, key: key.trusted, roles: [TestRole.operate.name]))
            policy = try trust.policy(try trust.message(document))
        } catch {
            throw BenchError()
        }
    }

    /// A new signed command for a device with this challenge.
    func sign(_ challenge: Bytes16, by signer: Signer, for audience: Audience) throws(BenchError) -> [UInt8] {
        sequence += 1
        var claims = Claims(purpose: .command)
        claims.sequence = sequence
        claims.id = random.bytes16()
        claims.nonce = challenge
        claims.issuedAt = 1_800_000_000
        guard let payload = Self.command.encoded() else { throw BenchError() }
        var message: [UInt8] = []
        do throws(EnvelopeError) {
            _ = try (signer == .operator ? `operator` : stranger).seal(
                claims, audience: audience == .device ? Self.deviceName : Self.deviceName + [UInt8(ascii: "x")],
                contentType: ContentFormat.cbor, payload: payload.span, into: &message)
            let envelope = try Envelope(decoding: message.span)
            let context = Purpose.command.context
            do throws(COSEError) {
                signedBytes = try structure.with(
                    protected: message.span.extracting(envelope.sign1.protected),
                    external: Span(_unsafeStart: context.utf8Start, count: context.utf8CodeUnitCount),
                    payload: message.span.extracting(envelope.payload)
                ) { [UInt8](copying: $0) }
            } catch {
                throw .cose(error)
            }
            signature = [UInt8](message[envelope.sign1.signature])
        } catch {
            throw BenchError()
        }
        return message
    }
}
