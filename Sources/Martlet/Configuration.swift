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
    /// What to say of the sections that the library does not know; empty if there are none.
    private(set) var foreign = LogLine()
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
        for section in ini.sections { try read(section) }
        try requireEverything()
    }

    private enum Kind {
        case device, mqtt, https, identity, trust, telemetry, quota
        /// For `martlet renew`.
        case enrolment

        init?(_ word: Span<UInt8>) {
            if word.isEqual(to: "device") {
                self = .device
            } else if word.isEqual(to: "mqtt") {
                self = .mqtt
            } else if word.isEqual(to: "https") {
                self = .https
            } else if word.isEqual(to: "identity") {
                self = .identity
            } else if word.isEqual(to: "trust") {
                self = .trust
            } else if word.isEqual(to: "telemetry") {
                self = .telemetry
            } else if word.isEqual(to: "quota") {
                self = .quota
            } else if word.isEqual(to: "enrolment") {
                self = .enrolment
            } else {
                return nil
            }
        }
    }

    private func read(_ section: INISection) throws(MartletError) {
        let word = section.kind
        guard let kind = Kind(word.span) else {
            if foreign.bytes.isEmpty { foreign.text("sections left to the program:") }
            foreign.text(" [")
            foreign.untrusted(word)
            if !section.name.isEmpty { foreign.text(" ") }
            foreign.untrusted(section.name)
            foreign.text("]")
            return
        }
        if !section.name.isEmpty {
            throw fault(section.line) { $0.text("the heading has a second word: remove that") }
        }
        if kind == .https { https = section }
        for entry in section.entries {
            let isKnown: Bool
            switch kind {
            case .device: isKnown = try readDevice(entry)
            case .mqtt: isKnown = try readMQTT(entry)
            case .identity: isKnown = readIdentity(entry)
            case .telemetry: isKnown = try readTelemetry(entry)
            case .quota: isKnown = try readQuota(entry)
            case .trust: isKnown = try readTrust(entry)
            case .https: isKnown = true
            case .enrolment: return
            }
            if !isKnown { throw unknown(entry, in: section) }
            for other in section.entries where other.line > entry.line && other.key == entry.key {
                throw fault(other.line) { $0.text(INIProblem.duplicateKey.reason) }
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
            port = UInt16(truncatingIfNeeded: try integer(entry, 1...65535))
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
            keepAlive = UInt16(truncatingIfNeeded: try integer(entry, 5...3600))
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
            quotas.readingsPerSecond = UInt32(truncatingIfNeeded: try integer(entry, 1...1_000_000))
        } else if entry.hasKey("bytes-per-second") {
            quotas.bytesPerSecond = UInt32(truncatingIfNeeded: try integer(entry, 100...1_000_000_000))
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
        let text: StaticString
        if id.isEmpty {
            text = "no device id: add id to [device]"
        } else if host.isEmpty && https === nil {
            text = "no broker: add host to [mqtt]"
        } else if key.isEmpty {
            text = "no private key: add key to [identity]"
        } else if certificate.isEmpty {
            text = "no certificate: add certificate to [identity]"
        } else if anchors.isEmpty {
            text = "no trust anchors: add anchors to [identity]"
        } else if root == Self.noRoot {
            text = "no trust root: add root to [trust]"
        } else {
            return
        }
        throw MartletError(.configuration) {
            $0.untrusted(file)
            $0.text(": ")
            $0.text(text)
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
