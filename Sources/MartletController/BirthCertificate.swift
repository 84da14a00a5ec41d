// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletCOSE
internal import MartletEnvelope
internal import MartletOpenSSL

/// The certificate that a birth brings: whom it names and which key it certifies.
struct BirthCertificate {
    let issuer: [UInt8]
    let key: DeviceRecord.Key

    /// Verifies a chain, in DER, for a client at `time`, the common name against the topic's device id, and the one URI
    /// against `iss`. The birth's signature is the caller's to check, with the key found here.
    init(
        _ encoded: [[UInt8]], issuer expected: Span<UInt8>, device: Span<UInt8>, anchors: [Certificate], at time: Int64,
        hashing: any Hashing
    ) throws(VerificationError) {
        var chain: [Certificate] = []
        for der in encoded {
            do throws(OpenSSLError) { chain.append(try Certificate(der: der.span)) } catch {
                throw .badCertificate(error)
            }
        }
        guard let leaf = chain.first else { throw .noCertificate }
        do throws(CertificateFailure) {
            try CertificateChain.verify(
                leaf, intermediates: [Certificate](chain.dropFirst()), anchors: anchors, at: time, purpose: .client)
        } catch {
            throw .untrustedCertificate(error)
        }
        guard let name = leaf.commonName, name.isEqual(to: device) else { throw .wrongDevice }
        let uris = leaf.uris
        guard uris.count == 1, uris[0].isEqual(to: expected) else { throw .wrongIssuer }
        issuer = uris[0]
        do throws(OpenSSLError) {
            let publicKey = try leaf.publicKey
            let spki = publicKey.spki
            let digest = hashing.sha256(spki.span)
            key = DeviceRecord.Key(
                id: KeyID(ofKey: digest), digest: digest, verifier: KeyVerifier(publicKey),
                memory: DeviceMemory.Key(chain: encoded, received: time))
        } catch {
            throw .badCertificate(error)
        }
    }
}
