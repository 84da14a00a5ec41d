// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletOpenSSL
import TestSupport

/// A broker with mutual TLS, a back end, and the files of one device.
final class Bench: DeviceFolder {
    let broker: Broker
    private(set) var backEnd: BackEnd!
    private(set) var proxy: Proxy?

    /// - Parameters:
    ///   - server: the certificate of the broker's port for the device; nil: the authority's usual one.
    ///   - throughProxy: the device reaches the broker by a relay.
    init(
        settings: [String] = [], files: [String: String] = [:], server: TestAuthority.Identity? = nil,
        throughProxy: Bool = false, authority: TestAuthority? = nil, operatorKind: KeyKind = .ed25519
    ) throws {
        let authority = try authority ?? TestAuthority()
        let usual = Broker.TLS(authority, as: authority.server)
        var more: [String] = []
        var devicePort: UInt16?
        if let server {
            let port = try LoopbackListener().port
            let tls = Broker.TLS(authority, as: server)
            more = [
                "listener \(port) 127.0.0.1", "cafile \(tls.anchors)", "certfile \(tls.certificate)",
                "keyfile \(tls.key)", "require_certificate true",
            ]
            devicePort = port
        }
        broker = try Broker(tls: usual, settings: settings + more, files: files)
        try super.init(authority, operatorKind: operatorKind)
        backEnd = try BackEnd(self, port: broker.port)
        if throughProxy { proxy = try Proxy(to: devicePort ?? broker.port) }
        try configure(["port": "\(proxy?.port ?? devicePort ?? broker.port)"])
    }

    deinit {
        backEnd?.stop()
        proxy?.stop()
        broker.stop()
    }

    /// The configuration of the bench with other lines.
    func reconfigure(_ changes: [String: String]) throws {
        try configure(["port": "\(proxy?.port ?? broker.port)"].merging(changes) { $1 })
    }

    /// Ends the back end, and starts another with the same keys that knows nothing.
    func restartBackEnd(_ between: () throws -> Void = {}) throws {
        backEnd.stop()
        // Until then the broker might take messages for it.
        try broker.waitForLog("Received DISCONNECT from \(backEnd.clientID)", seconds: 30)
        try between()
        backEnd = try BackEnd(self, port: broker.port)
    }

    /// Starts the device and waits until the back end answered its birth.
    func startResumed(_ device: Device) throws {
        try device.start()
        try waitForLog("resumed this run")
    }
}
