// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
public import MartletCOSE
public import MartletEnvelope
public import MartletMessages
public import MartletOpenSSL

/// Why a message could not be signed. Nothing was sent.
public enum SigningError: Error, Equatable {
    /// The issuer's or the device's name obeys no `PartyName`.
    case badName
    /// The name, an argument or the deadline of the command is outside the protocol's bounds.
    case badCommand
    /// The trust document or its set of keys is outside the protocol's bounds.
    case badDocument
    /// There is no next sequence number: its store failed.
    case noSequence
    /// No random numbers, or another failure of OpenSSL.
    case openSSL(OpenSSLError)
    case envelope(EnvelopeError)
}

/// Where the sequence numbers of a controller's key come from.
public protocol SequenceStore: AnyObject {
    /// A number higher than every one before, durable before it is returned: a number that was used must never come
    /// again, also after a crash. nil if that cannot be had.
    func next() -> UInt64?
}

/// A command that is ready to be published on the device's command topic.
public struct SignedCommand: Sendable {
    /// Names the command, however often it is signed; the device carries one id out at most once.
    public let id: Bytes16
    public let sequence: UInt64
    /// What the receipt names.
    public let digest: Digest
    public let message: [UInt8]
}

/// Signs commands with the key of one controller. Not safe for concurrent use.
public final class CommandSigner {
    /// What receipts name as the controller.
    public var keyID: KeyID { sealer.keyID }

    private let sealer: EnvelopeSealer
    private let sequences: any SequenceStore

    /// `issuer`: the URN under which devices know the key.
    public init(issuer: [UInt8], key: PrivateKey, sequences: any SequenceStore) throws(SigningError) {
        sealer = try EnvelopeSealer(issuer: issuer, key: key)
        self.sequences = sequences
    }

    /// Signs `command` for one device, bound to its current challenge.
    ///
    /// If the device answers `stale`, or its challenge has changed, call it again with the new challenge and the same
    /// `id`: each signature has a sequence number of its own, and what was carried out is not carried out again but
    /// answered with its receipt.
    ///
    /// - Parameters:
    ///   - device: the device's URN.
    ///   - challenge: from the device's newest birth, or from a `stale` receipt.
    ///   - id: from `newID`.
    ///   - time: seconds since 1970.
    ///   - expires: seconds since 1970; a device whose clock is trusted refuses the command from then on.
    public func sign(
        _ command: Command, for device: [UInt8], challenge: Bytes16, id: Bytes16, time: UInt64, expires: UInt64? = nil
    ) throws(SigningError) -> SignedCommand {
        // What the device would refuse must not leave.
        guard PartyName.isValid(device.span) else { throw .badName }
        guard let payload = command.encoded(), (try? Command(decoding: payload.span)) == command else {
            throw .badCommand
        }
        guard let sequence = sequences.next() else { throw .noSequence }
        var claims = Claims(purpose: .command)
        claims.sequence = sequence
        claims.issuedAt = time
        claims.expires = expires
        claims.id = id
        claims.nonce = challenge
        var message: [UInt8] = []
        do throws(EnvelopeError) {
            let digest = try sealer.seal(
                claims, audience: device, contentType: ContentFormat.cbor, payload: payload.span, into: &message)
            return SignedCommand(id: id, sequence: sequence, digest: digest, message: message)
        } catch {
            throw .envelope(error)
        }
    }

    /// A random id for a new command.
    public static func newID() throws(SigningError) -> Bytes16 {
        do throws(OpenSSLError) { return Bytes16(try Random.bytes()) } catch { throw .openSSL(error) }
    }
}

extension EnvelopeSealer {
    convenience init(issuer: [UInt8], key: PrivateKey) throws(SigningError) {
        guard PartyName.isValid(issuer.span) else { throw .badName }
        let publicKey = key.publicKey.spki
        let hashing: OpenSSLHashing
        do throws(OpenSSLError) { hashing = try OpenSSLHashing() } catch { throw .openSSL(error) }
        self.init(issuer: issuer, publicKey: publicKey.span, signer: KeySigner(key), hashing: hashing)
    }
}
