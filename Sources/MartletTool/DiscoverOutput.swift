// SPDX-License-Identifier: Apache-2.0

import MartletDNS
import MartletDiscovery
import MartletPosix

extension Discover {
    static let warning: StaticString = """
        Untrusted: anybody on this network can announce such a service. Compare it with what you know before you use it.

        """

    /// For people: a line for each service, and what it is worth.
    static func table(_ services: [FoundService]) -> [UInt8] {
        let titles: [StaticString] = ["KIND", "INSTANCE", "HOST", "PORT", "ADDRESSES", "EST PATH"]
        var rows = [titles.map { [UInt8]($0) }]
        for service in services { rows.append(cells(service)) }
        var widths = titles.indices.map { _ in 0 }
        for row in rows {
            for column in row.indices { widths[column] = max(widths[column], row[column].width) }
        }
        var text: [UInt8] = []
        for row in rows {
            for column in row.indices {
                text += row[column]
                // Nothing behind the last one.
                if column == row.count - 1 { break }
                for _ in 0..<(widths[column] - row[column].width + 2) { text.append(UInt8(ascii: " ")) }
            }
            text.add("\n")
        }
        text.add("\n")
        text.add(warning)
        return text
    }

    /// One object a line.
    static func json(_ services: [FoundService]) -> [UInt8] {
        var text: [UInt8] = []
        for service in services {
            let cells = cells(service)
            text.add(#"{"trusted":false,"kind":"#)
            text.add(quoting: cells[0])
            text.add(#","instance":"#)
            text.add(quoting: cells[1])
            text.add(#","host":"#)
            text.add(quoting: cells[2])
            text.add(#","port":"#)
            text.add(service.port)
            text.add(#","priority":"#)
            text.add(service.priority)
            text.add(#","weight":"#)
            text.add(service.weight)
            text.add(#","addresses":["#)
            for index in service.addresses.indices {
                if index > 0 { text.add(",") }
                text.add(quoting: address(service.addresses[index]))
            }
            text.add(#"],"path":"#)
            if service.path == nil { text.add("null") } else { text.add(quoting: cells[5]) }
            text.add("}\n")
        }
        return text
    }

    /// As the table has them; names from outside are escaped.
    private static func cells(_ service: FoundService) -> [[UInt8]] {
        var instance: [UInt8] = []
        instance.add(escaping: service.instance)
        var port: [UInt8] = []
        port.add(service.port)
        var addresses: [UInt8] = []
        for found in service.addresses {
            if !addresses.isEmpty { addresses.add(" ") }
            addresses += address(found)
        }
        if addresses.isEmpty { addresses.add("-") }
        var path: [UInt8] = []
        path.add(escaping: service.path ?? [UInt8]("-"))
        return [kind(service.kind), instance, host(service.host), port, addresses, path]
    }

    private static func kind(_ kind: ServiceKind) -> [UInt8] {
        switch kind {
        case .gateway: [UInt8]("gateway")
        case .registrar: [UInt8]("registrar")
        }
    }

    private static func address(_ address: FoundAddress) -> [UInt8] {
        var text: [UInt8] = []
        text.add(escaping: addressText(address.bytes, interface: address.interface))
        return text
    }

    /// Labels with dots between them; a dot in a label is `\x2e`, a blank `\x20`.
    private static func host(_ name: DNSName) -> [UInt8] {
        var text: [UInt8] = []
        for label in name.labels {
            if !text.isEmpty { text.add(".") }
            var piece: [UInt8] = []
            for byte in label {
                if byte == UInt8(ascii: ".") || byte == UInt8(ascii: " ") {
                    text.add(escaping: piece)
                    text.add(byte == UInt8(ascii: ".") ? "\\x2e" : "\\x20")
                    piece = []
                } else {
                    piece.append(byte)
                }
            }
            text.add(escaping: piece)
        }
        return text
    }
}
