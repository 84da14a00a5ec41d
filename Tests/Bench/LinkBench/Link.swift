// SPDX-License-Identifier: Apache-2.0

import CBench
import MartletMosquitto
import MartletOpenSSL
import MartletPosix

/// One connection after the other, to the broker of the benchmark.
final class Link: MosquittoEvents {
    private let tls: TLSContext
    private let port: UInt16
    private let clientID = Array("pump-7".utf8)
    private let address = Array("127.0.0.1".utf8)
    private let topic = Array("martlet/v1/pump-7/telemetry".utf8)
    private let payload = [UInt8](repeating: UInt8(ascii: "x"), count: 300)
    private var connection: MosquittoConnection?
    private var isConnected = false
    private var acknowledged = 0

    init(directory: String, port: UInt16) {
        self.port = port
        do throws(OpenSSLError) {
            let anchors = Link.file(directory + "/ca.pem")
            let chain = Link.file(directory + "/pump-7.pem")
            let key = Link.file(directory + "/pump-7.key")
            tls = try TLSContext(
                serverName: "localhost", anchors: Certificate.all(inPEM: anchors.span),
                chain: Certificate.all(inPEM: chain.span), key: PrivateKey(pem: key.span))
        } catch {
            CBench_fail("LinkBench: the certificates cannot be used")
        }
    }

    private static func file(_ path: String) -> [UInt8] {
        do throws(PosixError) { return try PublicFile.read(path, limit: 65_536) } catch {
            CBench_fail("LinkBench: ca.pem, pump-7.pem or pump-7.key cannot be read")
        }
    }

    func connect(window: UInt16) {
        tls.prepare(
            time: SystemClock.unixMilliseconds() / 1000, boottime: SystemClock.bootMilliseconds(),
            acceptNotYetValid: false)
        isConnected = false
        do throws(MosquittoError) {
            let connection = try MosquittoConnection(
                clientID: clientID, cleanStart: true, sessionExpiry: 0, keepAlive: 60, window: window,
                receiveMaximum: 32, maximumPacketSize: 32 * 1024, tls: tls.handle, events: self)
            let address = address
            try connection.open(address: address.span, port: port)
            self.connection = connection
        } catch {
            CBench_fail("LinkBench: cannot connect")
        }
        while !isConnected { drive() }
    }

    /// Returns when all are acknowledged.
    func publish(_ count: Int) {
        acknowledged = 0
        var sent = 0
        let topic = topic
        let payload = payload
        while acknowledged < count {
            do throws(MosquittoError) {
                while sent < count {
                    _ = try connection?.publish(topic: topic.span, payload: payload.span)
                    sent += 1
                }
            } catch {
                if error != .windowFull { CBench_fail("LinkBench: cannot publish") }
            }
            drive()
        }
    }

    func disconnect() {
        connection?.disconnect()
        while connection != nil { drive() }
    }

    /// A connection that publishes one message.
    func session(keeps: Bool) {
        if !keeps { tls.dropSessions() }
        connect(window: 1)
        publish(1)
        disconnect()
    }

    var wasResumed: Bool { tls.resumed }

    private func drive() {
        guard let connection else { CBench_fail("LinkBench: the connection was lost") }
        let ready = CBench_wait(connection.descriptor, connection.wantsWrite)
        if ready == 0 { CBench_fail("LinkBench: nothing happened for 10 seconds") }
        connection.ready(
            readable: ready & Int32(CBENCH_READABLE) != 0, writable: ready & Int32(CBENCH_WRITABLE) != 0)
    }

    // MARK: MosquittoEvents

    func connected(sessionPresent: Bool, limits: MosquittoLimits) { isConnected = true }

    func received(topic: Span<UInt8>, payload: Span<UInt8>, retained: Bool) -> Bool { true }

    func acknowledged(id: Int32, reasonCode: UInt8) {
        tls.resetInputCount()
        acknowledged += 1
    }

    func subscribed(id: Int32, reasonCode: UInt8) {}

    func alive() {}

    func closed(_ reason: MosquittoError?) {
        connection = nil
        if reason != nil { CBench_fail("LinkBench: the connection failed") }
    }
}
