// SPDX-License-Identifier: Apache-2.0

/// What somebody asks the registrar for (RFC 7030 §3.2.2), as HTTP has it.
struct ESTRequest: Sendable {
    enum Operation: String, Sendable {
        case authorities = "cacerts"
        case attributes = "csrattrs"
        case enrol = "simpleenroll"
        case renew = "simplereenroll"

        var method: String {
            switch self {
            case .authorities, .attributes: "GET"
            case .enrol, .renew: "POST"
            }
        }
    }

    var method: String
    /// As it was sent, without a query.
    var path: String
    var contentType = ""
    var authorization = ""
    /// The certificate in PEM whose key the client proved to have; empty: none. Whose it is, is still to be judged.
    var certificate: [UInt8] = []
    var body: [UInt8] = []

    /// nil if the path is none of EST's: `/.well-known/est`, perhaps a label, the operation, perhaps a slash.
    var operation: Operation? {
        let prefix = "/.well-known/est/"
        guard path.utf8.count <= 128, path.hasPrefix(prefix) else { return nil }
        var parts = path.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
        if parts.count > 1, parts.last == "" { parts.removeLast() }
        guard let operation = parts.popLast().flatMap({ Operation(rawValue: String($0)) }) else { return nil }
        return parts.isEmpty || parts.count == 1 && Self.isLabel(parts[0]) ? operation : nil
    }

    private static func isLabel(_ label: Substring) -> Bool {
        guard (1...64).contains(label.utf8.count), Operation(rawValue: String(label)) == nil else { return false }
        return label.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"): true
            default: false
            }
        }
    }

    /// Whether the body is said to be of this type, whatever its case and parameters.
    func isOfType(_ type: String) -> Bool {
        let said = contentType.prefix { $0 != ";" }
        return said.filter { $0 != " " && $0 != "\t" }.lowercased() == type
    }

    /// User and password of HTTP Basic (RFC 7617); nil if there are none.
    var credentials: (user: [UInt8], password: [UInt8])? {
        let parts = authorization.split(separator: " ")
        guard parts.count == 2, parts[0].lowercased() == "basic", let text = Base64.decoded(parts[1].utf8),
            let colon = text.firstIndex(of: UInt8(ascii: ":"))
        else { return nil }
        return (Array(text[..<colon]), Array(text[(colon + 1)...]))
    }
}

struct ESTResponse: Equatable, Sendable {
    /// Seconds after which a client that was put off may ask again.
    static let retryAfter = 30

    let status: Int
    var headers: [String: String] = [:]
    var body: [UInt8] = []

    /// For people.
    init(_ status: Int, _ text: String) {
        self.status = status
        if status == 401 {
            // No text: Bouncy Castle ends if there is one, instead of asking again with id and token.
            headers["WWW-Authenticate"] = #"Basic realm="martlet", charset="UTF-8""#
            return
        }
        headers["Content-Type"] = "text/plain"
        body = Array((text + "\n").utf8)
        if [202, 503].contains(status) { headers["Retry-After"] = String(Self.retryAfter) }
    }

    /// Nothing in particular.
    static let noContent = ESTResponse(status: 204)

    private init(status: Int) { self.status = status }

    /// A bag of certificates.
    init(bag: [UInt8]) {
        status = 200
        headers["Content-Type"] = "application/pkcs7-mime; smime-type=certs-only"
        headers["Content-Transfer-Encoding"] = "base64"
        body = Base64.line(bag)
    }
}
