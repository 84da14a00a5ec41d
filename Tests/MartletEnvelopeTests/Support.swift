// SPDX-License-Identifier: Apache-2.0

import MartletAdapters
import MartletCBOR
import MartletCOSE
import MartletEnvelope
import MartletOpenSSL
import TestSupport

let deviceName = "urn:dev:mac:0024befffe804ff1"
let controllerName = "urn:example:operations:7"
let bothKeys: [@Sendable () throws -> PrivateKey] = [Vectors.p256, Vectors.ed25519]

func bytes16(_ byte: UInt8) -> Bytes16 { Bytes16(InlineArray(repeating: byte)) }

func digest(_ byte: UInt8) -> Digest { Digest(InlineArray(repeating: byte)) }

func sealer(_ name: String, _ key: PrivateKey) throws -> EnvelopeSealer {
    let spki = key.publicKey.spki
    return try EnvelopeSealer(
        issuer: Array(name.utf8), publicKey: spki.span, signer: KeySigner(key), hashing: OpenSSLHashing())
}

/// A command with every claim that a controller states.
func commandClaims() -> Claims {
    var claims = Claims(purpose: .command)
    claims.sequence = 1
    claims.expires = 1_763_769_900
    claims.notBefore = 1_763_769_540
    claims.issuedAt = 1_763_769_600
    claims.id = bytes16(0xc7)
    claims.nonce = bytes16(0x5a)
    return claims
}

/// Telemetry with every claim that a device states.
func telemetryClaims() -> Claims {
    var claims = Claims(purpose: .telemetry)
    claims.lane = .normal
    claims.sequence = 70_000
    claims.previous = ChainHead(sequence: 69_999, digest: digest(0xd1))
    claims.clock = .trusted
    claims.boot = BootTime(id: bytes16(0xb0), milliseconds: 5_000_000_000)
    claims.issuedAt = 1_763_769_600
    claims.uptime = 5_000_000
    return claims
}

/// A signed command for `deviceName`.
func command(_ key: PrivateKey) throws -> (message: [UInt8], digest: Digest) {
    var message: [UInt8] = []
    let payload = Raw.map([0: "reboot", 1: .array([])]).bytes
    let digest = try sealer(controllerName, key).seal(
        commandClaims(), audience: Array(deviceName.utf8), contentType: ContentFormat.cbor, payload: payload.span,
        into: &message)
    return (message, digest)
}

/// Decodes and verifies.
func open(
    _ message: [UInt8], as purpose: Purpose, with key: PublicKey
) throws(EnvelopeError) -> (envelope: Envelope, digest: Digest) {
    let envelope = try Envelope(decoding: message.span)
    var structure = Envelope.makeStructure()
    let hashing: OpenSSLHashing
    do { hashing = try OpenSSLHashing() } catch { fatalError("no SHA-256") }
    let digest = try envelope.verify(
        message.span, as: purpose, with: KeyVerifier(key), hashing: hashing, structure: &structure)
    return (envelope, digest)
}

/// Why `open` refuses; nil if it does not.
func refusal(_ message: [UInt8], as purpose: Purpose = .command, with key: PublicKey) -> EnvelopeError? {
    do throws(EnvelopeError) {
        _ = try open(message, as: purpose, with: key)
        return nil
    } catch {
        return error
    }
}

extension EnvelopeError {
    /// The same error without the place of bad CBOR.
    var anywhere: EnvelopeError {
        switch self {
        case .claims(let error): .claims(error.anywhere)
        case .cose(.malformed(let error)): .cose(.malformed(error.anywhere))
        default: self
        }
    }
}

extension CBORError {
    fileprivate var anywhere: CBORError {
        switch self {
        case .truncated: .truncated(at: 0)
        case .notShortest: .notShortest(at: 0)
        case .indefiniteLength: .indefiniteLength(at: 0)
        case .reserved: .reserved(at: 0)
        case .tooDeep: .tooDeep(at: 0)
        case .keyOrder: .keyOrder(at: 0)
        case .duplicateKey: .duplicateKey(at: 0)
        case .notUTF8: .notUTF8(at: 0)
        case .unexpected: .unexpected(at: 0)
        case .trailingBytes: .trailingBytes(at: 0)
        case .unfinished: .unfinished(at: 0)
        case .noSpace: .noSpace
        }
    }
}
