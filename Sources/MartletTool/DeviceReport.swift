// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletAdapters
import MartletCOSE
import MartletEnrolment
import MartletHTTPSLink
import MartletOpenSSL
import MartletPosix

/// What a device's directory holds, read without changing anything, while the device may run.
struct DeviceReport {
    enum State {
        /// There is nothing of a device yet.
        case factory
        /// Onboarding was begun.
        case pending
        case onboarded
        /// Onboarded, and the next credential is on its way.
        case renewing
        /// The certificate has ended.
        case expired
        /// Retirement was begun, and must be ended.
        case retiring
        /// A device does not start with this.
        case damaged

        var text: StaticString {
            switch self {
            case .factory: "factory"
            case .pending: "pending"
            case .onboarded: "onboarded"
            case .renewing: "renewing"
            case .expired: "expired"
            case .retiring: "retiring"
            case .damaged: "damaged"
            }
        }
    }

    private(set) var state = State.factory
    /// Whether the lock of the device's state is held.
    private(set) var isRunning = false
    private(set) var configuration: Configuration?
    private(set) var registrar: [UInt8]?
    private(set) var leaf: Certificate?
    /// SHA-256 of the DER SubjectPublicKeyInfo that the leaf certifies, or is to certify.
    private(set) var key: Digest?
    private(set) var anchors: [Certificate] = []
    /// What is not as it must be.
    private(set) var problems: [[UInt8]] = []

    /// Onboarded, in time, and nothing is wrong.
    var isGood: Bool { (state == .onboarded || state == .renewing) && problems.isEmpty }

    /// - Parameter time: seconds since 1970.
    init(_ path: [UInt8], time: Int64) throws(Failure) {
        let directory: PrivateDirectory
        let names: [[UInt8]]
        do throws(PosixError) {
            directory = try PrivateDirectory(path: String(decoding: path, as: UTF8.self))
            names = try directory.names()
        } catch {
            if error.isMissingFile { return }
            throw Failure(path, error)
        }
        func has(_ name: String) -> Bool { names.contains(Array(name.utf8)) }

        if has(DeviceFiles.configuration) { readConfiguration(path) }
        readLock(path)
        let isBegun = has(DeviceFiles.pendingKey) && !has(DeviceFiles.credential)
        if has(DeviceFiles.retired) {
            state = .retiring
        } else if isBegun {
            state = .pending
            readPendingKey(directory)
        } else if let configuration {
            readIdentity(configuration)
            state = problems.isEmpty ? .onboarded : .damaged
            if state == .onboarded, has(DeviceFiles.nextKey) || has(DeviceFiles.nextCredential) { state = .renewing }
            if let leaf, leaf.notAfter < time, state != .damaged { state = .expired }
        } else if has(DeviceFiles.configuration) || has(DeviceFiles.credential) || has(DeviceFiles.key) {
            state = .damaged
            if !has(DeviceFiles.configuration) { problems.append([UInt8]("martlet.conf is missing")) }
        }
    }

    private mutating func readConfiguration(_ path: [UInt8]) {
        do throws(Failure) { configuration = try Configuration(directory: path) } catch { problems.append(error.text) }
        let file = path + [UInt8(ascii: "/")] + Array(DeviceFiles.configuration.utf8)
        registrar = (try? RenewalSettings.registrar(String(decoding: file, as: UTF8.self), file))?.text
    }

    private mutating func readLock(_ path: [UInt8]) {
        let place = configuration?.stateDirectory ?? String(decoding: path, as: UTF8.self)
        do throws(PosixError) { isRunning = try PrivateDirectory(path: place).isLocked("martlet.lock") } catch {
            // A device that never ran has none.
            if !error.isMissingFile {
                problems.append(Failure(Array(place.utf8), error).text)
            } else if configuration != nil, Self.isParentMissing(place) {
                problems.append(
                    Array(place.utf8)
                        + [UInt8](": cannot be made, the directory above is missing: make that, or mend state"))
            }
        }
    }

    private static func isParentMissing(_ path: String) -> Bool {
        var bytes = Array(path.utf8)
        while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
        return (try? PublicFile.exists(Identity.split(String(decoding: bytes, as: UTF8.self)).directory)) == false
    }

    private mutating func readIdentity(_ configuration: Configuration) {
        do throws(Failure) {
            let identity = try Identity(configuration)
            leaf = identity.chain.first
            anchors = identity.anchors
            if (try? leaf?.publicKey)?.spki != identity.key.publicKey.spki {
                problems.append(Array(configuration.key.utf8) + [UInt8](": not the key of the certificate"))
            } else {
                try Self.requireLinks(configuration, identity)
            }
        } catch {
            problems.append(error.text)
            // What can be said is said.
            leaf = Self.certificates(configuration.certificate).first
            anchors = Self.certificates(configuration.anchors)
        }
        if let spki = (try? leaf?.publicKey)?.spki { key = Self.digest(spki) }
    }

    /// What a device needs to begin a connection; nobody is connected to.
    private static func requireLinks(_ configuration: Configuration, _ identity: Identity) throws(Failure) {
        do throws(MartletError) {
            if !configuration.host.isEmpty {
                _ = try identity.tls(for: configuration.host, configuration.anchors, identity.anchors, configuration)
            }
            if configuration.https != nil {
                _ = try ExchangeConnection(
                    configuration, anchors: identity.anchors, chain: identity.chain, key: identity.key)
            }
        } catch { throw Failure(error) }
    }

    private mutating func readPendingKey(_ directory: PrivateDirectory) {
        do throws(PosixError) {
            var text = try directory.read(DeviceFiles.pendingKey, limit: DeviceDirectory.maximumFileSize)
            defer { secureZero(&text) }
            if let pending = try? PrivateKey(pem: text.span) { key = Self.digest(pending.publicKey.spki) }
        } catch { problems.append(Failure(Array(DeviceFiles.pendingKey.utf8), error).text) }
    }

    private static func digest(_ spki: [UInt8]) -> Digest? { (try? OpenSSLHashing.make())?.sha256(spki.span) }

    private static func certificates(_ path: String) -> [Certificate] {
        guard var text = try? PublicFile.read(path, limit: DeviceDirectory.maximumFileSize) else { return [] }
        // The key may be in it.
        defer { secureZero(&text) }
        return (try? Certificate.all(inPEM: text.span)) ?? []
    }
}
