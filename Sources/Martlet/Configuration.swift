// SPDX-License-Identifier: Apache-2.0

package import MartletCOSE
internal import MartletEnvelope
package import MartletINI
internal import MartletMessages
internal import MartletPosix
package import MartletSession
internal import MartletTelemetry

/// What the configuration file says; see `Device.init` for its keys. Sections of other names are the program's own.
/// A class, because it is large.
package final class Configuration {
    /// The file, for messages.
    package let file: String
    /// The directory that relative paths begin at.
    private let directory: [UInt8]

    package private(set) var id: [UInt8] = []
    package private(set) var stateDirectory = ""
    package private(set) var host = ""
    package private(set) var port: UInt16 = 8883
    package private(set) var prefix: [UInt8]
    package private(set) var usesVersion311 = false
    private(set) var keepAlive: UInt16 = 60
    package private(set) var key = ""
    package private(set) var certificate = ""
    package private(set) var anchors = ""
    /// SHA-256 of a root's public key.
    package private(set) var root = noRoot
    private static let noRoot = Digest(InlineArray(repeating: 0))
    /// The first trust document; empty: it comes over the network.
    package private(set) var document = ""
    /// `[https]`, for whoever can read it.
    package private(set) var https: INISection?
    private(set) var batch = ReadingBatch.Limits()
    private(set) var spool = SpoolLimits()
    private(set) var quotas = QuotaLimits()

    static let maximumFileSize = 64 * 1024

    package init(path: String) throws(MartletError) {
        file = path
        var directory: [UInt8] = []
        let bytes = path.bytes
        if let slash = bytes.lastIndex(of: UInt8(ascii: "/")) { directory = [UInt8](bytes[...slash]) }
        self.directory = directory
        stateDirectory = directory.isEmpty ? "." : String(checked: directory)
        let prefix = Topics.defaultPrefix
        self.prefix = [UInt8](UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount))

        let content: [UInt8]
        do throws(PosixError) {
            content = try PublicFile.read(path, limit: Self.maximumFileSize)
        } catch {
            throw MartletError(.configuration, file: path, error)
        }
        let ini: INI
        do throws(INIError) { ini = try INI(parsing: content.span) } catch {
            throw fault(error.line) { $0.text(error.problem.reason) }
        }
        for section in ini.sections where section.name.isEmpty { try read(section) }
        try requireEverything()
    }

    private func read(_ section: INISection) throws(MartletError) {
        let kind = section.kind
        if kind.span.isEqual(to: "https") { https = section }
        for entry in section.entries {
            let isKnown: Bool
            if kind.span.isEqual(to: "device") {
                isKnown = try readDevice(entry)
            } else if kind.span.isEqual(to: "mqtt") {
                isKnown = try readMQTT(entry)
            } else if kind.span.isEqual(to: "identity") {
                isKnown = readIdentity(entry)
            } else if kind.span.isEqual(to: "telemetry") {
                isKnown = try readTelemetry(entry)
            } else if kind.span.isEqual(to: "quota") {
                isKnown = try readQuota(entry)
            } else if kind.span.isEqual(to: "trust") {
                isKnown = try readTrust(entry)
            } else if kind.span.isEqual(to: "https") {
                isKnown = true
            } else {
                return
            }
            if !isKnown { throw unknown(entry, in: section) }
            for other in section.entries where other.line > entry.line && other.key == entry.key {
                throw fault(other.line) { $0.text("the key stands twice in its section: remove one") }
            }
        }
    }

    private func readDevice(_ entry: INIEntry) throws(MartletError) -> Bool {
        let value = entry.value
        if entry.hasKey("id") {
            if !DeviceID.isValid(value.span) {
                throw fault(entry.line) {
                    $0.text("not a device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit")
                }
            }
            id = value
        } else if entry.hasKey("state") {
            stateDirectory = path(value)
        } else {
            return false
        }
        return true
    }

    private func readMQTT(_ entry: INIEntry) throws(MartletError) -> Bool {
        let value = entry.value
        if entry.hasKey("host") {
            if value.isEmpty { throw fault(entry.line) { $0.text("the host is empty: name the broker") } }
            host = String(checked: value)
        } else if entry.hasKey("port") {
            port = UInt16(clamping: try integer(entry, 1...65535))
        } else if entry.hasKey("prefix") {
            if !Topics.isValidPrefix(value.span) {
                throw fault(entry.line) {
                    $0.text("not a topic prefix: levels of letters, digits, '.', '_', '-', joined by '/', 64 bytes")
                }
            }
            prefix = value
        } else if entry.hasKey("protocol") {
            if entry.hasValue("3.1.1") {
                usesVersion311 = true
            } else if !entry.hasValue("5") {
                throw fault(entry.line) { $0.text("the protocol is 5 or 3.1.1") }
            }
        } else if entry.hasKey("keep-alive") {
            keepAlive = UInt16(clamping: try integer(entry, 5...3600))
        } else {
            return false
        }
        return true
    }

    private func readIdentity(_ entry: INIEntry) -> Bool {
        if entry.hasKey("key") {
            key = path(entry.value)
        } else if entry.hasKey("certificate") {
            certificate = path(entry.value)
        } else if entry.hasKey("anchors") {
            anchors = path(entry.value)
        } else {
            return false
        }
        return true
    }

    private func readTelemetry(_ entry: INIEntry) throws(MartletError) -> Bool {
        if entry.hasKey("batch-count") {
            batch.count = Int(try integer(entry, 1...256))
        } else if entry.hasKey("batch-bytes") {
            batch.bytes = Int(try integer(entry, 2048...8192))
        } else if entry.hasKey("batch-age") {
            batch.age = UInt64(try integer(entry, 0...86_400)) * 1000
        } else if entry.hasKey("commit-bytes") {
            spool.commitSize = Int(try integer(entry, 4096...32_768))
        } else if entry.hasKey("spool-bytes") {
            spool.bytes = Int(try integer(entry, 1_048_576...1_073_741_824))
        } else if entry.hasKey("spool-readings") {
            spool.readings = UInt64(try integer(entry, 1000...1_000_000_000))
        } else if entry.hasKey("spool-age") {
            spool.age = UInt64(try integer(entry, 60...315_360_000))
        } else {
            return false
        }
        return true
    }

    private func readQuota(_ entry: INIEntry) throws(MartletError) -> Bool {
        // A connected device says so each quarter of an hour: some 100 kB a day, 3 MB a month. Any envelope fits beside.
        let most: Int64 = 1 << 50
        if entry.hasKey("readings-per-second") {
            quotas.readingsPerSecond = UInt32(clamping: try integer(entry, 1...1_000_000))
        } else if entry.hasKey("bytes-per-second") {
            quotas.bytesPerSecond = UInt32(clamping: try integer(entry, 100...1_000_000_000))
        } else if entry.hasKey("bytes-per-day") {
            quotas.bytesPerDay = UInt64(try integer(entry, 262_144...most))
        } else if entry.hasKey("bytes-per-month") {
            quotas.bytesPerMonth = UInt64(try integer(entry, 8_388_608...most))
        } else if entry.hasKey("connections-per-hour") {
            quotas.connectionsPerHour = UInt64(try integer(entry, 1...3600))
        } else {
            return false
        }
        return true
    }

    private func readTrust(_ entry: INIEntry) throws(MartletError) -> Bool {
        if entry.hasKey("root") {
            let digits = entry.value
            guard let digest = Digest(hexDigits: digits.span) else {
                throw fault(entry.line) { $0.text("the root is 64 hex digits: the SHA-256 of a root's public key") }
            }
            root = digest
        } else if entry.hasKey("document") {
            document = path(entry.value)
        } else {
            return false
        }
        return true
    }

    private func requireEverything() throws(MartletError) {
        let required: [(Bool, StaticString)] = [
            (id.isEmpty, "no device id: add id to [device]"),
            (host.isEmpty && https === nil, "no broker: add host to [mqtt]"),
            (key.isEmpty, "no private key: add key to [identity]"),
            (certificate.isEmpty, "no certificate: add certificate to [identity]"),
            (anchors.isEmpty, "no trust anchors: add anchors to [identity]"),
            (root == Self.noRoot, "no trust root: add root to [trust]"),
        ]
        for (isMissing, text) in required where isMissing {
            throw MartletError(.configuration) {
                $0.untrusted(file)
                $0.text(": ")
                $0.text(text)
            }
        }
    }

    package func integer(_ entry: INIEntry, _ range: ClosedRange<Int64>) throws(MartletError) -> Int64 {
        if let value = entry.integer(in: range) { return value }
        throw fault(entry.line) {
            $0.untrusted(entry.key)
            $0.text(" is an integer from ")
            $0.number(UInt64(clamping: range.lowerBound))
            $0.text(" to ")
            $0.number(UInt64(clamping: range.upperBound))
        }
    }

    package func path(_ value: [UInt8]) -> String {
        String(checked: value.first == UInt8(ascii: "/") ? value : directory + value)
    }

    package func unknown(_ entry: INIEntry, in section: INISection) -> MartletError {
        fault(entry.line) {
            $0.text("unknown key '")
            $0.untrusted(entry.key)
            $0.text("' in [")
            $0.untrusted(section.kind)
            $0.text("]: correct or remove it")
        }
    }

    /// An error that names file and line.
    package func fault(_ line: Int, _ build: (inout LogLine) -> Void) -> MartletError {
        MartletError(.configuration) {
            $0.untrusted(file)
            $0.text(":")
            $0.number(UInt64(clamping: line))
            $0.text(": ")
            build(&$0)
        }
    }
}
