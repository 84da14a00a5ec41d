// SPDX-License-Identifier: Apache-2.0

internal import Martlet
internal import MartletCurl
internal import MartletINI
internal import MartletMessages
internal import MartletOpenSSL
internal import MartletPosix
internal import MartletSession

/// What `[https]` of the configuration says.
final class HTTPSSettings {
    /// Bytes of a file that holds a secret.
    static let maximumSecretSize = 4096 - 16

    /// Where exchanges go.
    let url: HTTPSURL
    /// The way there; nil: straight.
    let proxy: HTTPSProxy?
    let anchors: [Certificate]
    /// The file that the anchors come from.
    let anchorFile: String
    /// Seconds that the back end may hold an answer while there is nothing to say.
    let wait: UInt32
    /// Milliseconds without a connection to the broker until HTTPS takes over.
    let failover: UInt64
    private let bearer: String
    private let apiKey: String
    private let token: DeviceToken?
    /// Whether what is shown depends on the clock.
    var signsToken: Bool { token != nil }

    /// - Parameters:
    ///   - anchors: those of the device, for a section that names none.
    ///   - chain: the device's certificate, leaf first.
    ///   - key: its key.
    init(
        _ section: INISection, _ configuration: Configuration, anchors own: [Certificate], chain: [Certificate],
        key: PrivateKey
    ) throws(MartletError) {
        var text: [UInt8] = []
        var (line, wait, anchorFile) = (section.line, UInt32(20), "")
        var (bearer, apiKey, failover) = ("", "", Int64(120))
        var audience: [UInt8] = []
        var proxy: HTTPSProxy?
        for entry in section.entries {
            if entry.hasKey("url") {
                text = entry.value
                line = entry.line
            } else if entry.hasKey("ca") {
                anchorFile = configuration.path(entry.value)
            } else if entry.hasKey("proxy") {
                do throws(HTTPSError) { proxy = try HTTPSProxy(bytes: entry.value) } catch {
                    throw configuration.fault(entry.line) { $0.text("not a proxy: http://HOST:PORT") }
                }
            } else if entry.hasKey("wait") {
                wait = UInt32(clamping: try configuration.integer(entry, 0...50))
            } else if entry.hasKey("failover") {
                failover = try configuration.integer(entry, 1...86_400)
            } else if entry.hasKey("bearer") {
                bearer = configuration.path(entry.value)
                if !audience.isEmpty {
                    throw configuration.fault(entry.line) { $0.text("bearer is a file, instead of jwt") }
                }
            } else if entry.hasKey("jwt") {
                audience = entry.value
                if audience.isEmpty || !Self.isVisible(audience) || !bearer.isEmpty {
                    throw configuration.fault(entry.line) { $0.text("jwt is an audience in ASCII, instead of bearer") }
                }
            } else if entry.hasKey("api-key") {
                apiKey = configuration.path(entry.value)
            } else {
                throw configuration.unknown(entry, in: section)
            }
        }
        if text.isEmpty { throw configuration.fault(line) { $0.text("no server: add url to [https]") } }
        do throws(HTTPSError) {
            if text.contains(UInt8(ascii: "?")) { throw .invalidURL }
            _ = try HTTPSURL(bytes: text)
            // What the topic of MQTT says stands in the path.
            if text.last != UInt8(ascii: "/") { text.append(UInt8(ascii: "/")) }
            url = try HTTPSURL(
                bytes: text + configuration.prefix + [UInt8(ascii: "/")] + configuration.id + [UInt8]("/exchange"))
        } catch {
            throw configuration.fault(line) { $0.text("not the URL of a server: https://HOST[:PORT][/PATH]") }
        }
        if anchorFile.isEmpty {
            anchors = own
            self.anchorFile = configuration.anchors
        } else {
            anchors = try Identity.certificates(anchorFile)
            self.anchorFile = anchorFile
        }
        self.proxy = proxy
        self.wait = wait
        self.failover = UInt64(clamping: failover) * 1000
        self.bearer = bearer
        self.apiKey = apiKey
        do throws(OpenSSLError) {
            let name = chain.first?.uris.first ?? []
            token = audience.isEmpty ? nil : try DeviceToken(key, name: name, audience: audience)
        } catch { throw MartletError(.system, "OpenSSL has no SHA-256") }
        // What is missing is told at once, and not by the first connection.
        _ = try headers(0)
    }

    /// Milliseconds for which `headers` are good.
    static let headerTime: UInt64 = 240_000

    /// What requests show beside the device's certificate; `now` in seconds since 1970. Files are read anew: what they
    /// hold changes.
    func headers(_ now: Int64) throws(MartletError) -> [HTTPSHeader] {
        var headers: [HTTPSHeader] = []
        if let token {
            do throws(OpenSSLError) {
                headers.append(HTTPSHeader(name: "Authorization", value: [UInt8]("Bearer ") + (try token.issue(now))))
            } catch { throw MartletError(.system, "a token could not be signed") }
        }
        if !bearer.isEmpty {
            let value = [UInt8]("Bearer ") + (try Self.secret(bearer))
            headers.append(HTTPSHeader(name: "Authorization", value: value))
        }
        if !apiKey.isEmpty { headers.append(HTTPSHeader(name: "X-API-Key", value: try Self.secret(apiKey))) }
        return headers
    }

    /// Milliseconds for an exchange that is not held.
    private static let exchangeTime: UInt32 = 30_000

    /// A request for an exchange that may be held for so many seconds.
    func request(_ body: [UInt8], _ headers: [HTTPSHeader], wait: UInt32) -> HTTPSRequest {
        HTTPSRequest(
            url: url, headers: headers, body: HTTPSBody(contentType: "application/cbor", bytes: body),
            limits: HTTPSLimits(
                body: Exchange.maximumSize, connect: Self.exchangeTime / 2, total: wait * 1000 + Self.exchangeTime,
                idle: wait + Self.exchangeTime / 2000))
    }

    /// The one line of a 0600 file in a 0700 directory.
    private static func secret(_ path: String) throws(MartletError) -> [UInt8] {
        var text: [UInt8]
        do throws(PosixError) {
            let (directory, name) = Identity.split(path)
            text = try PrivateDirectory(path: directory).read(name, limit: maximumSecretSize)
        } catch {
            throw MartletError(.file, file: path, error)
        }
        while let last = text.last, last == 0x0a || last == 0x0d || last == 0x20 { text.removeLast() }
        if text.isEmpty || !isVisible(text) { throw Identity.fault(path, "not one line of visible ASCII") }
        return text
    }

    private static func isVisible(_ text: [UInt8]) -> Bool { text.allSatisfy { (0x21...0x7e).contains($0) } }
}

extension [UInt8] {
    init(_ text: StaticString) { self = text.withUTF8Buffer { [UInt8]($0) } }
}
