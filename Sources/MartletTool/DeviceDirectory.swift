// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCOSE
import MartletEnrolment
import MartletOpenSSL
import MartletPosix

/// The directory of a device, which this process has locked. Its files tell how far onboarding and renewal came:
///
///     pending.key                     a request for this key may be under way
///     pending.key and device.pem      onboarded, if device.pem has the same key: the label is yet to be erased
///     device.pem                      onboarded
///     next.key                        a request for this key may be under way
///     next.pem of a later generation  certified, and yet to be tried
///     next.pem of an earlier one      that was device.pem before, and is yet to be erased
///     factory.pem                     the manufacturer's, which stays as it is
///
/// One rename is the step from not to onboarded, and from one credential to the next.
struct DeviceDirectory {
    enum Use {
        /// The directory is made if it is missing. A device that runs has its own locked.
        case onboarding
        /// The device may run.
        case renewal
    }

    static let maximumFileSize = 64 * 1024

    let path: [UInt8]
    private let files: PrivateDirectory
    private var locks: [DirectoryLock] = []

    /// What is found in it is durable.
    init(_ path: [UInt8], for use: Use) throws(Failure) {
        self.path = path
        let text = String(decoding: path, as: UTF8.self)
        do throws(PosixError) {
            switch use {
            case .onboarding:
                files = try PrivateDirectory(creating: text)
                locks.append(try files.lock("martlet.lock"))
            case .renewal: files = try PrivateDirectory(path: text)
            }
            locks.append(try files.lock("renewal.lock"))
            try files.syncNames()
        } catch { throw Failure(path, error) }
        do throws(PosixError) { _ = try read(DeviceFiles.retired) } catch {
            if error.isMissingFile { return }
            throw Failure(self.path(of: DeviceFiles.retired), error)
        }
        throw Failure(.usage, "", path, " is being retired: end that first, by martlet retire")
    }

    /// The device's credential; nil if there is none.
    func credential() throws(Failure) -> Credential? {
        if let whole = try credential(DeviceFiles.credential) { return whole }
        // Two files.
        guard var text = try secret(DeviceFiles.key) else { return nil }
        defer { secureZero(&text) }
        let key = try privateKey(text, DeviceFiles.key)
        let chain = (try? read(DeviceFiles.credential)).flatMap { try? Certificate.all(inPEM: $0.span) }
        guard let both = Credential(key, chain ?? [], generation: 0) else {
            throw Failure(
                .usage, "", path(of: DeviceFiles.key),
                ": device.pem beside it is not its certificate: use another directory, or move the key away")
        }
        return both
    }

    /// What the file holds; nil if it is missing, or has no key.
    func credential(_ name: String) throws(Failure) -> Credential? {
        guard var text = try? read(name) else { return nil }
        defer { secureZero(&text) }
        guard (try? PrivateKey(pem: text.span)) != nil else { return nil }
        // Only now it is known to be a secret, which has to be private.
        var again = try secret(name) ?? []
        secureZero(&again)
        guard let credential = Credential(text) else {
            throw Failure(
                .usage, "", path(of: name), " does not begin with the certificate of its key: move it away")
        }
        return credential
    }

    /// What this device left the factory with; nil if there is no such file.
    func factoryCredential() throws(Failure) -> Credential? {
        let name = DeviceFiles.factoryCredential
        guard var text = try secret(name) else { return nil }
        defer { secureZero(&text) }
        if let credential = Credential(text) { return credential }
        throw Failure(
            .usage, "", path(of: name),
            " does not hold an unencrypted P-256 or Ed25519 key and its certificate: mend it, or move it away")
    }

    /// A key that has no certificate yet, and the id of the label that began it, if it is known. nil also for what is left
    /// of one that was overwritten.
    func key(_ name: String) throws(Failure) -> (key: PrivateKey, id: [UInt8])? {
        guard var text = try secret(name), !text.contains(0) else { return nil }
        defer { secureZero(&text) }
        return (try privateKey(text, name), Credential.line("id = ", of: text))
    }

    /// A new key, durable before it is used, for the device with this id.
    func makeKey(_ name: String, id: [UInt8]) throws(Failure) -> PrivateKey {
        let key: PrivateKey
        var text = [UInt8]("id = ") + id + [UInt8(ascii: "\n")]
        // A growing array would leave copies behind.
        text.reserveCapacity(1024)
        defer { secureZero(&text) }
        do throws(OpenSSLError) {
            key = try PrivateKey.generate(.p256)
            var pem = try key.pem()
            defer { secureZero(&pem) }
            text += pem
        } catch { throw Failure(.system, "OpenSSL made no key") }
        try write(name, text)
        return key
    }

    /// Each file takes its place in one step; durable on return.
    func write(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        do throws(PosixError) { try files.replace(name, bytes.span) } catch { throw Failure(path(of: name), error) }
    }

    func write(_ name: String, _ credential: Credential) throws(Failure) {
        var text = try credential.text()
        defer { secureZero(&text) }
        try write(name, text)
    }

    /// Puts what is in next.pem in the place of device.pem, in one step, and overwrites what was there before. False if
    /// the file system cannot exchange names: then nothing can reach the blocks of the key before.
    func installNext() throws(Failure) -> Bool {
        let (next, current) = (DeviceFiles.nextCredential, DeviceFiles.credential)
        do throws(PosixError) {
            guard try files.exchange(next, current) else {
                try files.rename(next, to: current)
                return false
            }
        } catch { throw Failure(path(of: next), error) }
        try erase(next)
        return true
    }

    /// Erases a next credential that is of no use. Under another name, because a next.pem that is overwritten in part is
    /// what device.pem was before.
    func discardNext() throws(Failure) {
        do throws(PosixError) { try files.rename(DeviceFiles.nextCredential, to: DeviceFiles.nextKey) } catch {
            if error.isMissingFile { return }
            throw Failure(path(of: DeviceFiles.nextCredential), error)
        }
        try erase(DeviceFiles.nextKey)
    }

    /// Overwrites and removes a file, if there is one.
    func erase(_ name: String) throws(Failure) {
        do throws(PosixError) { try SpentFile.erase(String(decoding: path(of: name), as: UTF8.self)) } catch {
            if !error.isMissingFile { throw Failure(path(of: name), error) }
        }
    }

    /// Whether a run ended before it erased its label: the key of the credential still has its first name.
    func isUnfinished(_ credential: Credential) throws(Failure) -> Bool {
        try key(DeviceFiles.pendingKey)?.key.publicKey.spki == credential.key.publicKey.spki
    }

    /// Whether a run was cut short while it erased this file.
    func isOverwritten(_ name: String) -> Bool { (try? read(name))?.contains(0) ?? false }

    /// Erases what is of no use any more beside this credential. False if there was no credential that it replaced.
    func sweep(_ credential: Credential) throws(Failure) -> Bool {
        if try isUnfinished(credential) || isOverwritten(DeviceFiles.pendingKey) { try erase(DeviceFiles.pendingKey) }
        if isOverwritten(DeviceFiles.nextKey) { try erase(DeviceFiles.nextKey) }
        let before = try self.credential(DeviceFiles.nextCredential)
        if let before, before.generation > credential.generation { return false }
        guard before != nil || isOverwritten(DeviceFiles.nextCredential) else { return false }
        try erase(DeviceFiles.nextCredential)
        return true
    }

    /// Whether the device obeys the root that the label names.
    func hasRoot(of label: EnrolmentLabel) throws(Failure) -> Bool { try configuration()?.root == label.root }

    /// What martlet.conf says; nil if there is none.
    private func configuration() throws(Failure) -> Configuration? {
        do throws(PosixError) { _ = try read(DeviceFiles.configuration) } catch {
            if error.isMissingFile { return nil }
            throw Failure(path(of: DeviceFiles.configuration), error)
        }
        return try Configuration(directory: path)
    }

    /// The name of the file of authorities.
    func anchors() throws(Failure) -> String {
        guard let configuration = try configuration() else { return DeviceFiles.anchors }
        if let name = name(at: configuration.anchors) { return name }
        throw Failure(
            .usage, "", Array(configuration.anchors.utf8),
            ": the file that anchors names must be in the directory of martlet.conf: move it there")
    }

    /// Whether the authority that the label names, if it names one, is installed.
    func hasAuthority(of label: EnrolmentLabel) throws(Failure) -> Bool {
        guard let authority = label.authority else { return true }
        return try certificates(try anchors())?.contains { (try? $0.sha256).map { Digest($0) } == authority }
            ?? false
    }

    /// Refuses files of somebody else's, which would be replaced.
    func requireEmpty() throws(Failure) {
        for name in [DeviceFiles.configuration, DeviceFiles.credential] {
            do throws(PosixError) { _ = try read(name) } catch {
                if error.isMissingFile { continue }
                throw Failure(path(of: name), error)
            }
            throw Failure(
                .usage, "", path(of: name),
                " is there already, and would be replaced: move it away, or use another directory")
        }
    }

    /// The authorities in a file; nil if there is none.
    func certificates(_ name: String) throws(Failure) -> [Certificate]? {
        let text: [UInt8]
        do throws(PosixError) { text = try read(name) } catch {
            if error.isMissingFile { return nil }
            throw Failure(path(of: name), error)
        }
        do throws(OpenSSLError) { return try Certificate.all(inPEM: text.span) } catch {
            throw Failure(.usage, "", path(of: name), ": not a file of PEM certificates")
        }
    }

    /// The name of a file that is in the directory; nil for one elsewhere.
    func name(at path: String) -> String? { files.name(at: path) }

    func path(of name: String) -> [UInt8] { path + [UInt8(ascii: "/")] + Array(name.utf8) }

    /// What may be readable for everybody.
    private func read(_ name: String) throws(PosixError) -> [UInt8] {
        try PublicFile.read(String(decoding: path(of: name), as: UTF8.self), limit: Self.maximumFileSize)
    }

    /// nil if it is missing. To be wiped.
    private func secret(_ name: String) throws(Failure) -> [UInt8]? {
        do throws(PosixError) { return try files.read(name, limit: Self.maximumFileSize) } catch {
            if error.isMissingFile { return nil }
            throw Failure(path(of: name), error)
        }
    }

    private func privateKey(_ text: [UInt8], _ name: String) throws(Failure) -> PrivateKey {
        do throws(OpenSSLError) { return try PrivateKey(pem: text.span) } catch {
            throw Failure(.usage, "", path(of: name), ": not an unencrypted PEM private key: move it away")
        }
    }
}
