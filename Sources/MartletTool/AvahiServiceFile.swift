// SPDX-License-Identifier: Apache-2.0

import MartletDiscovery
import MartletPosix

/// The file by which avahi-daemon announces a device; it sees at once when the file comes, changes and goes.
struct AvahiServiceFile {
    private static let folder: StaticString = "/etc/avahi/services/martlet-"
    private static let processFile = "/run/avahi-daemon/pid"

    let path: [UInt8]

    /// An id has no characters that a path or XML could take for something else.
    init(_ id: [UInt8]) { path = [UInt8](Self.folder) + id + [UInt8](".service") }

    /// Whether the process that says it is avahi-daemon is one: its file may be older than this boot.
    static var isAvahiRunning: Bool {
        guard var number = try? PublicFile.read(processFile, limit: 32) else { return false }
        if number.last == UInt8(ascii: "\n") { number.removeLast() }
        guard !number.isEmpty, number.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        let process = String(decoding: [UInt8]("/proc/") + number + [UInt8]("/comm"), as: UTF8.self)
        guard let name = try? PublicFile.read(process, limit: 64) else { return false }
        return name.starts(with: "avahi-daemon".utf8)
    }

    func write(_ device: AnnouncedDevice) throws(Failure) {
        let text = Self.text(device)
        do throws(PosixError) { try PublicFile.replace(String(decoding: path, as: UTF8.self), text.span) } catch {
            throw Failure(
                .system, "avahi-daemon has the network, and its file could not be written: ",
                path + [UInt8](": ") + error.text, " (run this as root, or write the file yourself)")
        }
    }

    func remove() throws(Failure) {
        do throws(PosixError) { try PublicFile.remove(String(decoding: path, as: UTF8.self)) } catch {
            throw Failure(path, error)
        }
    }

    static func text(_ device: AnnouncedDevice) -> [UInt8] {
        var text: [UInt8] = []
        text.add(
            """
            <?xml version="1.0" standalone="no"?>
            <!DOCTYPE service-group SYSTEM "avahi-service.dtd">
            <!-- martlet announce wrote this, and removes it -->
            <service-group>
              <name>
            """)
        text += device.id
        text.add("</name>\n  <service>\n    <type>_martlet._udp</type>\n    <port>0</port>\n")
        for string in device.strings {
            text.add("    <txt-record>")
            for byte in string { text.add(xml: byte) }
            text.add("</txt-record>\n")
        }
        text.add("  </service>\n</service-group>\n")
        return text
    }
}

extension [UInt8] {
    fileprivate mutating func add(xml byte: UInt8) {
        switch byte {
        case UInt8(ascii: "&"): add("&amp;")
        case UInt8(ascii: "<"): add("&lt;")
        case UInt8(ascii: ">"): add("&gt;")
        default: append(byte)
        }
    }
}
