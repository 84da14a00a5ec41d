// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Who connects to the broker beside the devices, each with a certificate for TLS. Those with a role are obeyed by the
/// devices, and have another key that signs their messages.
enum Party: String, CaseIterable {
    case gateway
    case `operator`
    /// Carries the messages of devices that come by HTTPS.
    case exchange

    static let controllers = allCases.filter { $0.role != nil }

    /// No device may have such a name: its certificate would be taken for that of a part of the back end. Of the edge's
    /// name nginx configurations may ignore the case.
    static func isReserved(_ id: String) -> Bool {
        Party(rawValue: id) != nil || id.lowercased() == WebServerFiles.edge
    }

    /// `iss` of its messages, and its name in the trust document.
    var issuer: [UInt8] { Array("urn:martlet:\(rawValue)".utf8) }

    /// What its signing key may do, by the first trust document; nil: it has none.
    var role: String? {
        switch self {
        case .gateway: "gateway"
        case .operator: "operate"
        case .exchange: nil
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
