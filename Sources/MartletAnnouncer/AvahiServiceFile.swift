// SPDX-License-Identifier: Apache-2.0

import MartletDNS
import MartletDiscovery
import MartletPosix

/// The file by which avahi-daemon announces services; it sees at once when the file comes, changes and goes. It tells a
/// file from the one before by the second that it was written in.
struct AvahiServiceFile {
    private static let folder = "/etc/avahi/services/"
    private static let processFile = "/run/avahi-daemon/pid"

    let path: String

    /// The name has no slash.
    init(_ name: [UInt8]) { path = Self.folder + String(decoding: name, as: UTF8.self) + ".service" }

    /// Whether the process that says it is avahi-daemon is one: its file may be older than this boot.
    static var isAvahiRunning: Bool {
        guard var number = try? PublicFile.read(processFile, limit: 32) else { return false }
        if number.last == UInt8(ascii: "\n") { number.removeLast() }
        guard !number.isEmpty, number.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        let process = String(decoding: Array("/proc/".utf8) + number + Array("/comm".utf8), as: UTF8.self)
        guard let name = try? PublicFile.read(process, limit: 64) else { return false }
        return name.starts(with: "avahi-daemon".utf8)
    }

    func write(_ services: [Announcement]) throws(AnnouncerError) {
        let text = Self.text(services)
        do throws(PosixError) { try PublicFile.replace(path, text.span) } catch {
            throw .notWritten(Array(path.utf8), error)
        }
    }

    func remove() throws(AnnouncerError) {
        do throws(PosixError) { try PublicFile.remove(path) } catch { throw .notRemoved(Array(path.utf8), error) }
    }

    /// The services have one label.
    static func text(_ services: [Announcement]) -> [UInt8] {
        var text: [UInt8] = []
        text.add(
            """
            <?xml version="1.0" standalone="no"?>
            <!DOCTYPE service-group SYSTEM "avahi-service.dtd">
            <!-- written, and removed again, by the program that announces this -->
            <service-group>
              <name>
            """)
        text.add(xml: services.first?.label ?? [])
        text.add("</name>\n")
        for service in services {
            text.add("  <service>\n    <type>")
            for label in service.type.labels.dropLast() {
                if text.last != UInt8(ascii: ">") { text.add(".") }
                text.add(xml: label)
            }
            text.add("</type>\n    <port>")
            text.add(service.port)
            text.add("</port>\n")
            for attribute in service.attributes {
                text.add("    <txt-record>")
                text.add(xml: attribute)
                text.add("</txt-record>\n")
            }
            text.add("  </service>\n")
        }
        text.add("</service-group>\n")
        return text
    }
}

extension [UInt8] {
    fileprivate mutating func add(_ text: StaticString) { text.withUTF8Buffer { append(contentsOf: $0) } }

    /// In decimal.
    fileprivate mutating func add(_ number: UInt16) {
        let start = count
        var rest = number
        repeat {
            insert(UInt8(ascii: "0") + UInt8(rest % 10), at: start)
            rest /= 10
        } while rest > 0
    }

    fileprivate mutating func add(xml text: [UInt8]) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "&"): add("&amp;")
            case UInt8(ascii: "<"): add("&lt;")
            case UInt8(ascii: ">"): add("&gt;")
            default: append(byte)
            }
        }
    }
}
