// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages
public import MartletOpenSSL
public import MartletSenML

/// Why a message that claims to come from a device is refused. Nothing of it was used.
public enum VerificationError: Error, Equatable {
    /// Not an envelope, of another purpose than its topic's, or its signature does not hold.
    case envelope(EnvelopeError)
    /// No device sends messages of this purpose, or this back end does not know it.
    case wrongPurpose(Purpose)
    /// The device id in the topic is none.
    case badDeviceID
    /// A birth without `x5chain`.
    case noCertificate
    /// A certificate in `x5chain` is not one.
    case badCertificate(OpenSSLError)
    /// The device's certificate does not chain to the trust anchors.
    case untrustedCertificate(CertificateFailure)
    /// The certificate's common name is not the device id of the topic.
    case wrongDevice
    /// The certificate does not have exactly one URI, or `iss` is another one.
    case wrongIssuer
    /// No accepted birth of this device has this key.
    case unknownKey
    /// An announcement that only the device's newest key may make is signed by one that was replaced.
    case replacedKey
    /// More devices than this back end is made for.
    case tooManyDevices
    /// A claim that this purpose needs is missing, or the predecessor is not before the envelope.
    case badClaims
    /// The payload is not what the purpose prescribes.
    case message(MessageError)
    /// The payload is no SenML pack.
    case readings(SenMLError)

    /// For people.
    public var text: StaticString {
        switch self {
        case .envelope(.cose(.badSignature)): "its signature does not hold"
        case .envelope(.wrongPurpose): "it was signed for another purpose than its topic's"
        case .envelope: "it is not an envelope of this protocol"
        case .wrongPurpose: "devices do not send messages of this purpose"
        case .badDeviceID: "the device id in its topic is none"
        case .noCertificate: "the birth brings no certificate"
        case .badCertificate: "a certificate in the birth cannot be read, or its key is of an unknown kind"
        case .untrustedCertificate(.expired): "the device's certificate has expired"
        case .untrustedCertificate(.notYetValid): "the device's certificate is not valid yet: check this clock"
        case .untrustedCertificate(.wrongPurpose): "the device's certificate is not for a client"
        case .untrustedCertificate: "the device's certificate does not chain to the trust anchors"
        case .wrongDevice: "the certificate is of another device than the topic"
        case .wrongIssuer: "its issuer is not the one URI in the device's certificate"
        case .unknownKey: "its key is in no accepted birth of this device"
        case .replacedKey: "its key was replaced by another one, and may no longer say this"
        case .tooManyDevices: "there are more devices than this back end takes"
        case .badClaims: "its claims are incomplete or contradict each other"
        case .message, .readings: "its payload is not what its purpose prescribes"
        }
    }
}
