// SPDX-License-Identifier: Apache-2.0

package import MartletMosquitto
package import MartletOpenSSL
internal import MartletPosix
package import MartletSession

/// Why a connection ended, in words. A server that refuses our certificate after a TLS 1.3 handshake may or may not
/// get its alert through before it resets the connection: both read the same.
package enum FailureText {
    package static let refusedByServer: StaticString =
        "the server closed the connection before accepting us: it may have refused our certificate"

    package static func describe(_ error: MosquittoError?, tls: TLSFailure?, wasConnected: Bool) -> LinkFailure {
        if let tls, let failure = describe(tls) { return failure }
        switch error {
        case nil: return LinkFailure("disconnected")
        case .tls: return LinkFailure(refusedByServer)
        case .connectionLost:
            return LinkFailure(wasConnected ? "the connection was lost" : refusedByServer)
        case .refused(0x9A): return LinkFailure("the broker keeps no retained messages")
        case .refused(0x9B): return LinkFailure("the broker takes no messages of QoS 1")
        case .refused(let code): return numbered("the broker refused the connection, code ", UInt64(code))
        case .disconnected(let code): return numbered("the broker ended the connection, code ", UInt64(code))
        case .protocolError: return LinkFailure("the broker broke the MQTT protocol")
        case .keepAlive: return LinkFailure("the broker does not answer any longer")
        case .network(let errno):
            let error = PosixError.system("connect", code: errno)
            return error.isReset && !wasConnected ? LinkFailure(refusedByServer) : LinkFailure(text: error.text)
        case .messageRefused: return LinkFailure("a message could not be kept: the broker will send it again")
        case .outOfMemory: return LinkFailure("out of memory")
        default: return LinkFailure("the connection could not be made with this configuration")
        }
    }

    package static func describe(_ failure: TLSFailure) -> LinkFailure? {
        switch failure {
        case .certificate(let reason): return describe(reason)
        case .certificateRefused, .closed: return LinkFailure(refusedByServer)
        case .protocolVersion: return LinkFailure("the server offers no TLS version from 1.2 on")
        case .noSharedCipher:
            return LinkFailure("the server offers no cipher suite, group or key type that is accepted")
        case .notTLS: return LinkFailure("the server does not speak TLS")
        case .inputLimit: return LinkFailure("the server sent more at once than was agreed")
        case .alert(let alert): return numbered("the server ended TLS with alert ", UInt64(alert))
        case .other(let reason):
            var line = LogLine()
            line.text("TLS failed, OpenSSL reason ")
            line.number(UInt64(clamping: reason))
            return LinkFailure(text: line.bytes)
        }
    }

    private static func describe(_ failure: CertificateFailure) -> LinkFailure {
        switch failure {
        case .hostName: return LinkFailure("the server's certificate is not for this name")
        case .untrustedIssuer:
            return LinkFailure(
                "the server's certificate is not from a trust anchor of ours: check anchors in [identity]")
        case .selfSigned:
            return LinkFailure(
                "the server's certificate is self-signed and no anchor of ours: check anchors in [identity]")
        case .expired: return LinkFailure("the server's certificate has expired")
        case .notYetValid:
            return LinkFailure("the server's certificate is not valid yet: is this device's clock right?")
        case .wrongPurpose: return LinkFailure("the server's certificate is not one for servers")
        case .weak: return LinkFailure("the server's certificate uses a weak key or signature")
        case .badSignature: return LinkFailure("a signature in the server's certificate chain is wrong")
        case .forbiddenByIssuer: return LinkFailure("the server's certificate chain breaks a rule of its issuer")
        case .chainTooLong: return LinkFailure("the server's certificate chain is too long")
        case .notUnderstood: return LinkFailure("the server's certificate chain has a critical part that is unknown")
        case .other(let code):
            var line = LogLine()
            line.text("the server's certificate is not accepted, OpenSSL code ")
            line.number(UInt64(clamping: code))
            return LinkFailure(text: line.bytes)
        }
    }

    package static func numbered(_ text: StaticString, _ code: UInt64) -> LinkFailure {
        var line = LogLine()
        line.text(text)
        line.number(code)
        return LinkFailure(text: line.bytes)
    }
}
