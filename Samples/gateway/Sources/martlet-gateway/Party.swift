// SPDX-License-Identifier: Apache-2.0

import MartletController

/// The two parties that devices obey. Each has a certificate for TLS, and another key that signs its messages.
enum Party: String, CaseIterable {
    case gateway
    case `operator`

    /// `iss` of its messages, and its name in the trust document.
    var issuer: [UInt8] { Array("urn:martlet:\(rawValue)".utf8) }

    /// What its signing key may do, by the first trust document.
    var role: String {
        switch self {
        case .gateway: "gateway"
        case .operator: "operate"
        }
    }

    var tlsKey: String { rawValue + "-tls.key" }
    var tlsCertificate: String { rawValue + "-tls.pem" }
    var signingKey: String { rawValue + ".key" }
    /// What the trust document says of the signing key.
    var publicKey: String { rawValue + ".pub" }

    /// The connection of this party to the broker.
    func link(
        _ directory: GatewayDirectory, host: String, port: UInt16, subscriptions: [String]
    ) throws(Failure) -> LinkConfiguration {
        LinkConfiguration(
            host: host, port: port, clientID: Array(rawValue.utf8),
            anchors: try directory.certificates(GatewayDirectory.File.authority),
            chain: try directory.certificates(tlsCertificate), key: try directory.key(tlsKey),
            subscriptions: subscriptions.map { Array($0.utf8) })
    }
}
