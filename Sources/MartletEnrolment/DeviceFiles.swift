// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnvelope

/// The files of a device in its directory, and what they may hold.
public enum DeviceFiles {
    /// The first key before it has a certificate.
    public static let pendingKey = "pending.key"
    /// The private key, its certificate and the intermediates: a credential changes as one.
    public static let credential = "device.pem"
    /// The next key before it has a certificate.
    public static let nextKey = "next.key"
    /// The next credential before it takes the place of the one before, which then has this name until it is overwritten.
    public static let nextCredential = "next.pem"
    /// The private key and the certificate that the device left the factory with: shown to registrars alone.
    public static let factoryCredential = "factory.pem"
    /// The private key where a credential has two files: made by hand.
    public static let key = "device.key"
    /// The private key of a device that is being retired.
    public static let retired = "retired.pem"
    public static let anchors = "anchors.pem"
    public static let configuration = "martlet.conf"

    /// Bytes of a chain in DER that a device takes.
    static let maximumChainSize = 12 * 1024

    /// `martlet.conf` of the device that the label is for, which says where its servers are.
    public static func configuration(
        _ label: EnrolmentLabel, broker: ServerAddress, registrar: ESTServer
    ) -> [UInt8] {
        var text: [UInt8] = []
        append("[device]\nid = ", to: &text)
        text += label.id
        append("\n[mqtt]\nhost = ", to: &text)
        text += broker.host
        append("\nport = ", to: &text)
        text += broker.portText
        append("\n[identity]\nkey = device.pem\ncertificate = device.pem\nanchors = anchors.pem\n", to: &text)
        append("[trust]\nroot = ", to: &text)
        for index in label.root.bytes.indices {
            for digit in [label.root.bytes[index] >> 4, label.root.bytes[index] & 15] {
                text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        }
        append("\n[enrolment]\nregistrar = ", to: &text)
        text += registrar.text
        append("\n", to: &text)
        return text
    }

    /// Whether a device starts with this chain, leaf first, whose leaf has this one URI.
    public static func areUsable(chain: [[UInt8]], uri: [UInt8]) -> Bool {
        PartyName.isValid(uri.span) && chain.count <= COSEHeader.maximumChain
            && chain.reduce(0) { $0 + $1.count } <= maximumChainSize
    }
}
