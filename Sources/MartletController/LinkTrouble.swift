// SPDX-License-Identifier: Apache-2.0

public import MartletMosquitto
public import MartletOpenSSL
public import MartletPosix

/// Why there is no connection to the broker.
public enum LinkTrouble: Error {
    /// The host name has no address.
    case unresolved(PosixError)
    case tls(TLSFailure)
    case mosquitto(MosquittoError)
    /// No CONNACK in time.
    case timeout
    /// SUBACK with a failure.
    case subscriptionRefused(reasonCode: UInt8)

    /// What is wrong and what to do.
    public var text: String {
        switch self {
        case .unresolved(let error): "the broker's name is not known: " + String(decoding: error.text, as: UTF8.self)
        case .tls(.certificate(.hostName)): "the broker's certificate is for another name"
        case .tls(.certificate(.expired)): "the broker's certificate has expired"
        case .tls(.certificate(.notYetValid)): "the broker's certificate is not valid yet: check this clock"
        case .tls(.certificate): "the broker's certificate does not chain to the trust anchors"
        case .tls(.certificateRefused): "the broker refused our certificate"
        case .tls(.closed): "the broker closed the connection during the TLS handshake"
        case .tls(.notTLS): "what answers there does not speak TLS: check the port"
        case .tls: "TLS failed: the broker must offer TLS 1.2 or later with forward secrecy"
        case .mosquitto(.tls):
            "the broker closed the connection before it accepted us: it may have refused our certificate"
        case .mosquitto(.refused(let code)): "the broker refused the connection with code \(code)"
        case .mosquitto(.disconnected(let code)): "the broker ended the connection with code \(code)"
        case .mosquitto(.connectionLost): "the connection was lost"
        case .mosquitto(.keepAlive): "the broker no longer answers"
        case .mosquitto(.network(let errno)):
            String(decoding: PosixError.system("connect", code: errno).text, as: UTF8.self)
        case .mosquitto(.messageRefused): "a message could not be taken, and waits at the broker"
        case .mosquitto(.protocolError): "the broker broke the protocol"
        case .mosquitto(.invalidArgument): "the port, client id or address is not usable"
        case .mosquitto: "the connection failed"
        case .timeout: "the broker did not accept the connection in time"
        case .subscriptionRefused(let code):
            "the broker refused a subscription with code \(code): check its access rules"
        }
    }
}

/// What a link is doing.
public enum LinkState {
    case connecting
    /// Connected, and every subscription was granted.
    case ready
    /// The next attempt begins after `retry` milliseconds.
    case disconnected(LinkTrouble, retry: UInt64)
    /// `stop` was called; nothing follows.
    case stopped
}
