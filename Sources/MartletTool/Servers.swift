// SPDX-License-Identifier: Apache-2.0

import MartletDNS
import MartletDiscovery
import MartletEnrolment
import MartletOpenSSL
import MartletPosix

/// The servers of a device to be: those of its label, and where that is silent those that the network proposes.
struct Servers {
    /// Seconds that the network has for its answer.
    private static let patience: UInt64 = 5

    let registrar: ESTServer
    let broker: ServerAddress
    /// Whether the network proposed the registrar: then its certificate must say that it is one.
    let isRegistrarFound: Bool

    init(_ label: EnrolmentLabel) throws(Failure) {
        var kinds: [ServiceKind] = []
        if label.broker == nil { kinds.append(.gateway) }
        if label.registrar == nil { kinds.append(.registrar) }
        try self.init(label, kinds.isEmpty ? [] : Self.find(kinds))
    }

    /// `found` is what was asked for because the label does not say.
    init(_ label: EnrolmentLabel, _ found: [FoundService]) throws(Failure) {
        for named in [label.registrar?.address, label.broker] {
            if let named, !Self.isUsable(named) {
                throw Failure(
                    .usage, "the label names a server that is neither a DNS name nor an IP address: ", named.text)
            }
        }
        isRegistrarFound = label.registrar == nil
        let registrar: ESTServer
        if let named = label.registrar {
            registrar = named
        } else {
            registrar = try Self.only(.registrar, found.filter { $0.kind == .registrar }, Self.registrar)
        }
        self.registrar = registrar
        if let named = label.broker {
            broker = named
            return
        }
        // Of a gateway the registrar's name alone is taken, which the registrar proves: another one could be anybody's.
        let gateways = found.filter {
            $0.kind == .gateway && Self.address($0).map { Self.isSame($0.host, registrar.address.host) } == true
        }
        broker = try Self.only(.gateway, gateways, Self.address)
    }

    private static func find(_ kinds: [ServiceKind]) throws(Failure) -> [FoundService] {
        do throws(PosixError) { return try Discover.find(kinds, patience) } catch {
            throw Failure(.system, "the label does not name all servers, and multicast DNS failed: ", error.text)
        }
    }

    /// Where there are several, a person has to say which: anybody may have announced the others.
    private static func only<Server>(
        _ kind: ServiceKind, _ found: [FoundService], _ server: (FoundService) -> Server?
    ) throws(Failure) -> Server {
        let what: StaticString
        switch kind {
        case .registrar: what = "registrar: add est= to the label"
        case .gateway: what = "gateway of the registrar's name: add mqtt= to the label"
        }
        guard let first = found.first else {
            throw Failure(.system, "the label names none, and this network has no ", [], what)
        }
        guard found.count == 1 else {
            throw Failure(.system, "the label names none, and this network has more than one ", [], what)
        }
        guard let server = server(first) else {
            throw Failure(.system, "what announces itself here is no usable ", [], what)
        }
        return server
    }

    /// Whatever the case of the letters (RFC 4343).
    private static func isSame(_ name: [UInt8], _ other: [UInt8]) -> Bool {
        name.count == other.count && name.indices.allSatisfy { lower(name[$0]) == lower(other[$0]) }
    }

    private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

    private static func registrar(_ service: FoundService) -> ESTServer? {
        guard var text = address(service)?.text else { return nil }
        if let path = service.path {
            let base = [UInt8]("/.well-known/est")
            guard path.starts(with: base) else { return nil }
            text += path.dropFirst(base.count)
        }
        return ESTServer(parsing: text.span)
    }

    /// Labels with dots between them; what else a label may hold is refused.
    private static func address(_ service: FoundService) -> ServerAddress? {
        var text: [UInt8] = []
        for label in service.host.labels {
            if label.contains(UInt8(ascii: ".")) || label.contains(UInt8(ascii: ":")) { return nil }
            if !text.isEmpty { text.add(".") }
            text += label
        }
        text.add(":")
        text.add(service.port)
        let address = ServerAddress(parsing: text.span, port: service.port)
        return address.flatMap { isUsable($0) ? $0 : nil }
    }

    /// Whether a server can prove that it is this one.
    private static func isUsable(_ address: ServerAddress) -> Bool {
        TLSContext.isServerName(String(decoding: address.host, as: UTF8.self))
    }
}
