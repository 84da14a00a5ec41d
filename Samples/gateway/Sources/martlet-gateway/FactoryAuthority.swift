// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Who certifies devices before they are anybody's: what such a certificate is worth at enrolment.
struct FactoryAuthority: Sendable {
    /// Why a certificate says nothing of a device, for us.
    struct Refusal: Error {
        let reason: String
    }

    /// They issue the certificates of devices themselves: of a chain, TLS passes on the first one alone.
    let anchors: [Certificate]
    /// Whether a device needs its certificate beside the token; otherwise either will do, as its invitation says.
    let isSecondFactor: Bool

    init(anchors: [Certificate], isSecondFactor: Bool) {
        (self.anchors, self.isSecondFactor) = (anchors, isSecondFactor)
    }

    /// Of a file of PEM certificates.
    init(file: String, isSecondFactor: Bool) throws(Failure) {
        let pem = try at(file) { () throws(PosixError) in
            try PublicFile.read(file, limit: Certificate.maximumPEMCount * Certificate.maximumCount)
        }
        do throws(OpenSSLError) {
            self.init(anchors: try Certificate.all(inPEM: pem.span), isSecondFactor: isSecondFactor)
        } catch {
            throw Failure("\(file): not certificates in PEM")
        }
    }

    /// The id of the device whose key the client proved to have. `certificate`: in PEM, as the client showed it; `time`:
    /// seconds since 1970.
    func device(_ certificate: [UInt8], at time: Int64) throws(Refusal) -> [UInt8] {
        guard let own = try? Certificate.all(inPEM: certificate.span).first else {
            throw Refusal(reason: "no factory certificate")
        }
        do throws(CertificateFailure) {
            try CertificateChain.verify(own, anchors: anchors, at: time, purpose: .client)
        } catch {
            throw Refusal(
                reason: error == .expired
                    ? "the factory certificate has expired" : "no certificate of the factory's (\(error))")
        }
        return own.commonName ?? []
    }
}
