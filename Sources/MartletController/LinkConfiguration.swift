// SPDX-License-Identifier: Apache-2.0

public import MartletOpenSSL

/// Where the broker is, and who connects.
public struct LinkConfiguration {
    /// A DNS name or an IP address; the broker's certificate must bear it.
    public var host: String
    public var port: UInt16
    /// MQTT client id; a broker may replace it with the certificate's name.
    public var clientID: [UInt8]
    /// The only authorities that the broker's certificate may come from.
    public var anchors: [Certificate]
    /// Own certificate, leaf first.
    public var chain: [Certificate]
    /// Its key; used on the link's thread only.
    public var key: PrivateKey
    /// Topic filters.
    public var subscriptions: [[UInt8]]
    /// Seconds that the broker keeps messages for us while we are away; 0: it does not, and devices keep theirs.
    public var sessionExpiry: UInt32 = 0

    public init(
        host: String, port: UInt16, clientID: [UInt8], anchors: [Certificate], chain: [Certificate], key: PrivateKey,
        subscriptions: [[UInt8]]
    ) {
        self.host = host
        self.port = port
        self.clientID = clientID
        self.anchors = anchors
        self.chain = chain
        self.key = key
        self.subscriptions = subscriptions
    }
}

/// Who hears what a link receives. Every method is called on the link's thread; it may publish and stop.
public protocol ControllerLinkDelegate: AnyObject {
    func linkChanged(_ state: LinkState)
    /// A message arrived. It is acknowledged after this returned true. After false the connection ends, and the broker
    /// keeps the message, if the session outlives the connection, and sends it again. The spans are valid during the
    /// call.
    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool
    /// The broker took what `publish` returned as `token`, or refused it: 0 is success, 0x10 that nobody listens.
    func linkPublished(token: UInt64, reasonCode: UInt8)
    /// Comes at least every second while the link runs, for deadlines of the delegate's own.
    func linkTicked()
}
