// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
package import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
package import MartletOpenSSL
internal import MartletPosix
internal import MartletSession

/// The keys and certificates that the configuration names, read and checked against each other.
package final class Identity {
    package let key: PrivateKey
    package let chain: [Certificate]
    package let anchors: [Certificate]
    let root: TrustRoot
    /// The trust document that the configuration names.
    let policy: TrustPolicy?
    let device: DeviceIdentity

    static let maximumFileSize = 64 * 1024
    /// Bytes of the chain in DER: with them a birth is well within the size of an envelope.
    static let maximumChainSize = 12 * 1024

    package init(_ configuration: Configuration, hashing: any Hashing) throws(MartletError) {
        key = try Self.key(configuration.key)
        chain = try Self.certificates(configuration.certificate)
        anchors = try Self.certificates(configuration.anchors)
        guard let leaf = chain.first else {
            throw Self.fault(configuration.certificate, "holds no certificate")
        }
        if leaf.commonName != configuration.id {
            throw Self.fault(
                configuration.certificate, "the common name is not the device id of the configuration")
        }
        let names = leaf.uris
        let name = names.first ?? []
        guard names.count == 1, PartyName.isValid(name.span), name.span.starts(with: "urn:dev:") else {
            throw Self.fault(configuration.certificate, "needs one subject alternative name urn:dev:…")
        }
        var der: [[UInt8]] = []
        do throws(OpenSSLError) {
            for certificate in chain { der.append(try certificate.der) }
        } catch {
            throw Self.fault(configuration.certificate, "cannot be encoded")
        }
        let size = der.reduce(0) { $0 + $1.count }
        if der.count > COSEHeader.maximumChain || size > Self.maximumChainSize {
            throw Self.fault(
                configuration.certificate, "more than 4 certificates, or 12 KiB of them: leave out the root")
        }
        device = DeviceIdentity(id: configuration.id, name: name, chain: der)
        root = TrustRoot(configuration.root, deviceName: name, keys: OpenSSLKeyReading(), hashing: hashing)
        policy = try Self.policy(configuration.document, root)
    }

    /// The policy for connections to `server`, trusting `anchors`, which are those of a file.
    package func tls(
        for server: String, _ file: String, _ anchors: [Certificate], _ configuration: Configuration
    ) throws(MartletError) -> TLSContext {
        do throws(OpenSSLError) {
            return try TLSContext(serverName: server, anchors: anchors, chain: chain, key: key)
        } catch {
            switch error {
            case .keyMismatch: throw Self.fault(configuration.key, "is not the key of the certificate")
            case .invalidName:
                throw MartletError(.configuration) {
                    $0.untrusted(configuration.file)
                    $0.text(": host is neither a DNS name nor an IP address: ")
                    $0.untrusted(server)
                }
            default: throw Self.fault(file, "TLS cannot be set up with these certificates")
            }
        }
    }

    /// The document that was installed with the device.
    private static func policy(_ path: String, _ root: TrustRoot) throws(MartletError) -> TrustPolicy? {
        if path.isEmpty { return nil }
        let message = try publicFile(path)
        do throws(Refusal) { return try TrustPolicy.first(message, root) } catch {
            throw MartletError(.identity) {
                $0.untrusted(path)
                $0.text(": cannot be the first trust document: ")
                $0.text(error.text)
            }
        }
    }

    /// The private key, from a 0600 file in a 0700 directory.
    private static func key(_ path: String) throws(MartletError) -> PrivateKey {
        var pem: [UInt8]
        do throws(PosixError) {
            let (directory, name) = split(path)
            pem = try PrivateDirectory(path: directory).read(name, limit: maximumFileSize)
        } catch {
            throw MartletError(.file, file: path, error)
        }
        defer { secureZero(&pem) }
        do throws(OpenSSLError) { return try PrivateKey(pem: pem.span) } catch {
            throw fault(path, "not an unencrypted PEM private key of P-256 or Ed25519")
        }
    }

    package static func certificates(_ path: String) throws(MartletError) -> [Certificate] {
        var text = try publicFile(path)
        // The key may be in it.
        defer { secureZero(&text) }
        do throws(OpenSSLError) { return try Certificate.all(inPEM: text.span) } catch {
            throw fault(path, "not a file of PEM certificates")
        }
    }

    private static func publicFile(_ path: String) throws(MartletError) -> [UInt8] {
        do throws(PosixError) { return try PublicFile.read(path, limit: maximumFileSize) } catch {
            throw MartletError(.file, file: path, error)
        }
    }

    package static func split(_ path: String) -> (directory: String, name: String) {
        let bytes = path.bytes
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let directory = slash == 0 ? "/" : String(checked: [UInt8](bytes[..<slash]))
        return (directory, String(checked: [UInt8](bytes[(slash + 1)...])))
    }

    package static func fault(_ path: String, _ text: StaticString) -> MartletError {
        MartletError(.identity) {
            $0.untrusted(path)
            $0.text(": ")
            $0.text(text)
        }
    }
}
