// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletHTTPSLink
import MartletMessages
import MartletOpenSSL

/// A way on which the tool speaks for a device.
///
/// What is thrown is `negative` if the server, verified, refused this credential or what it may do, and `system` for
/// all that may pass.
protocol BackEndConnection: AnyObject {
    /// The URN in the certificate that is shown.
    var issuer: [UInt8] { get }
    /// Sends a message and returns when it was taken. It stays with the broker if `retained`; an empty one clears what
    /// is there.
    func publish(_ leaf: Leaf, _ payload: [UInt8], retained: Bool) throws(Failure)
}

/// Says something for a device by one of the ways that its configuration has.
struct BackEnd {
    let configuration: Configuration
    /// The only authorities that broker and server may be certified by, unless `[https]` names others.
    let anchors: [Certificate]
    /// The certificate to show, leaf first, and its key.
    let chain: [Certificate]
    let key: PrivateKey
    /// Takes the steps that people should see.
    let tell: (StaticString, StaticString, [UInt8]) -> Void

    /// All that `body` says is said on one way: to the broker, or by HTTPS if there is no broker, or what stands in its
    /// way may pass. What it refuses is refused; a credential that it takes is not refused, whatever the server says.
    func speak(_ body: (any BackEndConnection) throws(Failure) -> Void) throws(Failure) {
        if configuration.host.isEmpty { return try speakByHTTPS(body) }
        var isTaken = false
        do throws(Failure) {
            let broker = try BrokerConnection(configuration, anchors: anchors, chain: chain, key: key)
            isTaken = true
            try body(broker)
            broker.close()
        } catch {
            guard error.status == .system, configuration.https != nil else { throw error }
            let first = error.text
            tell("https", "tries HTTPS instead:", first)
            do throws(Failure) { try speakByHTTPS(body) } catch {
                throw Failure(isTaken ? .system : error.status, "", first + [UInt8]("; ") + error.text)
            }
        }
    }

    private func speakByHTTPS(_ body: (any BackEndConnection) throws(Failure) -> Void) throws(Failure) {
        let server: ExchangeConnection
        do throws(MartletError) {
            server = try ExchangeConnection(configuration, anchors: anchors, chain: chain, key: key)
        } catch { throw Failure(error) }
        try server.connect()
        try body(server)
    }

    /// What a code of PUBACK's, which exchanges have too, says of a message.
    static func judge(_ code: UInt8, of server: StaticString, retained: Bool) throws(Failure) {
        switch code {
        case 0x00: return
        // Nobody hears of it, but what it cleared is cleared.
        case 0x10 where retained: return
        case 0x10:
            throw Failure(
                .system, server, [UInt8](" has nobody to give the message to: is the back end running?"))
        case 0x87: throw Failure(.negative, server, [UInt8](" does not let this device send the message"))
        default:
            throw Failure(
                .system, server, [UInt8](" refused the message, code ") + [UInt8](decimal: UInt32(code)))
        }
    }
}

extension ExchangeConnection: BackEndConnection {
    /// Whether the server takes this credential.
    fileprivate func connect() throws(Failure) { _ = try exchange(nil) }

    func publish(_ leaf: Leaf, _ payload: [UInt8], retained: Bool) throws(Failure) {
        let code = try exchange(Exchange.Message(leaf: leaf, bytes: payload))
        try BackEnd.judge(code, of: "the HTTPS server", retained: retained)
    }

    private func exchange(_ message: Exchange.Message?) throws(Failure) -> UInt8 {
        do throws(ExchangeError) { return try send(message) } catch {
            throw Failure(error.isRefusal ? .negative : .system, "", error.text)
        }
    }
}
