// SPDX-License-Identifier: Apache-2.0

public import Martlet
internal import MartletAdapters
internal import MartletCurl
internal import MartletMessages

extension HTTPSSupport {
    /// By libcurl, which is loaded when a device first connects by HTTPS.
    public static let libcurl = HTTPSSupport { (configuration, identity, waiter, broker) throws(MartletError) in
        guard let section = configuration.https else {
            throw MartletError(.configuration, "no [https]")
        }
        let settings = try HTTPSSettings(
            section, configuration, anchors: identity.anchors, chain: identity.chain, key: identity.key)
        let (prefix, id) = (configuration.prefix, configuration.id)
        guard let topics = Topics(prefix: prefix.span, device: id.span) else {
            throw MartletError(.configuration, "the topic prefix or the device id is not valid")
        }
        let tls = try identity.tls(for: settings.url.host, settings.anchorFile, settings.anchors, configuration)
        let https = HTTPSLink(settings, tls: tls, topics: topics, waiter: waiter)
        guard let broker else { return https }
        let entropy = SystemEntropy()
        return FailoverLink(broker, https, patience: settings.failover) { entropy.next() ?? 0 }
    }
}
