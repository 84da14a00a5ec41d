// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
import MartletEnvelope

/// What the label of a factory-fresh device says, as text and as QR code:
///
///     martlet:pump-7?est=registrar.example:8443/plant&ca=…&root=…&token=…&mqtt=broker.example
///
/// Keys stand at most once, in any order; values are ASCII without percent-encoding. A key that is not listed here is
/// refused. The label is a secret as long as its token is valid.
public struct EnrolmentLabel: Sendable {
    /// The most bytes of a label.
    public static let maximumLength = 1024
    /// Bytes of a token.
    public static let tokenLengths = 16...128

    /// The id that the device is to have.
    public let id: [UInt8]
    /// `est`: the registrar. nil: it is to be discovered.
    public private(set) var registrar: ESTServer?
    /// `mqtt`: the broker; port 8883 if none is named. nil: it is to be discovered.
    public private(set) var broker: ServerAddress?
    /// `ca`: SHA-256 of the certificate, in DER, of the authority that certifies the registrar. nil: an anchor is installed.
    public private(set) var authority: Digest?
    /// `root`: SHA-256 of the public key of a root, who says whom the device obeys.
    public let root: Digest
    /// `token`: a secret for one enrolment, of the characters of base64url.
    public private(set) var token: [UInt8] = []

    public init(parsing text: Span<UInt8>) throws(LabelError) {
        let scheme: StaticString = "martlet:"
        guard text.count <= Self.maximumLength, text.starts(with: scheme) else { throw .notALabel }
        let rest = text.extracting(scheme.utf8CodeUnitCount...)
        let mark = rest.indices.first { rest[$0] == UInt8(ascii: "?") } ?? rest.count
        guard DeviceID.isValid(rest.extracting(0..<mark)) else { throw .badID }
        id = ServerAddress.copy(rest.extracting(0..<mark))

        var root: Digest?
        var seen: UInt8 = 0
        var start = mark + 1
        while start <= rest.count {
            var end = start
            while end < rest.count, rest[end] != UInt8(ascii: "&") { end += 1 }
            let part = rest.extracting(start..<end)
            start = end + 1
            guard let equals = part.indices.first(where: { part[$0] == UInt8(ascii: "=") }) else { throw .badPart }
            let key = try Self.key(part.extracting(0..<equals))
            let value = part.extracting((equals + 1)...)
            if seen & 1 << key.rawValue != 0 { throw .repeatedKey }
            seen |= 1 << key.rawValue
            switch key {
            case .est:
                registrar = ESTServer(parsing: value)
                if registrar == nil { throw .badValue(key) }
            case .mqtt:
                broker = ServerAddress(parsing: value, port: 8883)
                if broker == nil { throw .badValue(key) }
            case .ca: authority = try Self.digest(value, key)
            case .root: root = try Self.digest(value, key)
            case .token:
                token = ServerAddress.copy(value)
                guard Self.tokenLengths.contains(token.count), token.allSatisfy(Self.isTokenCharacter) else {
                    throw .badValue(key)
                }
            }
        }
        guard let root else { throw .noRoot }
        self.root = root
    }

    /// How the label's token is shown to the registrar: Basic authentication (RFC 7617) with the id as its user. A secret;
    /// nil without a token.
    public var authorization: [UInt8]? {
        if token.isEmpty { return nil }
        var header: [UInt8] = []
        append("Basic ", to: &header)
        let credentials = id + [UInt8(ascii: ":")] + token
        header += Base64.encoded(credentials.span).filter { $0 != UInt8(ascii: "\n") }
        return header
    }

    private static func key(_ name: Span<UInt8>) throws(LabelError) -> LabelError.Key {
        var raw: UInt8 = 0
        while let key = LabelError.Key(rawValue: raw) {
            if name.isEqual(to: key.name) { return key }
            raw += 1
        }
        throw .unknownKey
    }

    private static func digest(_ text: Span<UInt8>, _ key: LabelError.Key) throws(LabelError) -> Digest {
        guard let digest = Digest(hexDigits: text) else { throw .badValue(key) }
        return digest
    }

    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
