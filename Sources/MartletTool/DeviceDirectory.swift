// SPDX-License-Identifier: Apache-2.0

import MartletCOSE
import MartletEnrolment
import MartletOpenSSL
import MartletPosix

/// The directory of a device, which this process has locked. Its files tell how far onboarding came:
///
///     pending.key                     a request for this key may be under way
///     pending.key and device.pem      it is certified: what is missing is the key's new name
///     device.key and device.pem       onboarded
///
/// One rename is the step from not to onboarded. The key has one file at any time, so that none is left to be wiped.
struct DeviceDirectory {
    enum Credential {
        case none
        case pending(PrivateKey)
        /// Of the device with this id.
        case issued([UInt8])
        case complete([UInt8])
    }

    static let maximumFileSize = 64 * 1024

    let path: [UInt8]
    private let files: PrivateDirectory
    private let lock: DirectoryLock

    /// Makes the directory if it is missing; what is found in it is durable. A device that runs has its own locked.
    init(_ path: [UInt8]) throws(Failure) {
        self.path = path
        do throws(PosixError) {
            files = try PrivateDirectory(creating: String(decoding: path, as: UTF8.self))
            lock = try files.lock("martlet.lock")
            try files.syncNames()
        } catch { throw Failure(path, error) }
    }

    func credential() throws(Failure) -> Credential {
        let leaf = certificate()
        if let key = try key(DeviceFiles.key) {
            guard let leaf, Self.isFor(key, leaf), let id = leaf.commonName else {
                throw Failure(
                    .usage, "", path(of: DeviceFiles.key),
                    ": device.pem beside it is not its certificate: use another directory, or move the key away")
            }
            return .complete(id)
        }
        guard let key = try key(DeviceFiles.pendingKey) else { return .none }
        if let leaf, Self.isFor(key, leaf), let id = leaf.commonName { return .issued(id) }
        return .pending(key)
    }

    /// A new key, durable before it is used.
    func makeKey() throws(Failure) -> PrivateKey {
        let key: PrivateKey
        var pem: [UInt8]
        do throws(OpenSSLError) {
            key = try PrivateKey.generate(.p256)
            pem = try key.pem()
        } catch { throw Failure(.system, "OpenSSL made no key") }
        defer { secureZero(&pem) }
        try write(DeviceFiles.pendingKey, pem)
        return key
    }

    /// Each file takes its place in one step; durable on return.
    func write(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        do throws(PosixError) { try files.replace(name, bytes.span) } catch { throw Failure(path(of: name), error) }
    }

    /// What `issued` lacks.
    func complete() throws(Failure) {
        do throws(PosixError) { try files.rename(DeviceFiles.pendingKey, to: DeviceFiles.key) } catch {
            throw Failure(path(of: DeviceFiles.pendingKey), error)
        }
    }

    /// Whether what is here was made by this label, or one that says the same, and is good at `time`.
    func isMade(by label: EnrolmentLabel, time: Int64) throws(Failure) -> Bool {
        guard let configuration = try? read(DeviceFiles.configuration), let leaf = certificate() else { return false }
        let root = DeviceFiles.rootLine(label)
        guard configuration.split(separator: UInt8(ascii: "\n")).contains(where: { $0.elementsEqual(root) }),
            leaf.notAfter >= time
        else { return false }
        guard let authority = label.authority else { return true }
        return try installedAnchors()?.contains { (try? $0.sha256).map { Digest($0) } == authority } ?? false
    }

    /// Refuses a configuration of somebody else's, which would be replaced.
    func requireNoConfiguration() throws(Failure) {
        do throws(PosixError) { _ = try read(DeviceFiles.configuration) } catch {
            if error.isMissingFile { return }
            throw Failure(path(of: DeviceFiles.configuration), error)
        }
        throw Failure(
            .usage, "", path(of: DeviceFiles.configuration),
            " is there already, and would be replaced: move it away, or use another directory")
    }

    /// The authorities that were installed; nil if there is no such file.
    func installedAnchors() throws(Failure) -> [Certificate]? {
        let text: [UInt8]
        do throws(PosixError) { text = try read(DeviceFiles.anchors) } catch {
            if error.isMissingFile { return nil }
            throw Failure(path(of: DeviceFiles.anchors), error)
        }
        do throws(OpenSSLError) { return try Certificate.all(inPEM: text.span) } catch {
            throw Failure(.usage, "", path(of: DeviceFiles.anchors), ": not a file of PEM certificates")
        }
    }

    func path(of name: String) -> [UInt8] { path + [UInt8(ascii: "/")] + Array(name.utf8) }

    /// What cannot be read counts as missing: it is no certificate of the key beside it.
    private func certificate() -> Certificate? {
        guard let text = try? read(DeviceFiles.certificate) else { return nil }
        return (try? Certificate.all(inPEM: text.span))?.first
    }

    /// Certificates may be readable for everybody.
    private func read(_ name: String) throws(PosixError) -> [UInt8] {
        try PublicFile.read(String(decoding: path(of: name), as: UTF8.self), limit: Self.maximumFileSize)
    }

    private func key(_ name: String) throws(Failure) -> PrivateKey? {
        var pem: [UInt8]
        do throws(PosixError) { pem = try files.read(name, limit: Self.maximumFileSize) } catch {
            if error.isMissingFile { return nil }
            throw Failure(path(of: name), error)
        }
        defer { secureZero(&pem) }
        do throws(OpenSSLError) { return try PrivateKey(pem: pem.span) } catch {
            throw Failure(.usage, "", path(of: name), ": not an unencrypted PEM private key: move it away")
        }
    }

    private static func isFor(_ key: PrivateKey, _ certificate: Certificate) -> Bool {
        (try? certificate.publicKey)?.spki == key.publicKey.spki
    }
}
