// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// The gateway's directory (0700), and the files in it (0600).
struct GatewayDirectory {
    enum File {
        static let authorityKey = "ca.key"
        static let authority = "ca.pem"
        static let brokerKey = "broker.key"
        static let broker = "broker.pem"
        static let port = "port"
        static let brokerConfiguration = "mosquitto.conf"
        static let accessRules = "mosquitto.acl"
        static let brokerLog = "mosquitto.log"
        static let sequence = "operator.sequence"
        static let registrarKey = "registrar.key"
        static let registrar = "registrar.pem"
        static let registrarPort = "registrar-port"
        static let webServerConfiguration = "nginx.conf"
        static let webServerLog = "nginx.log"
        static let registrarSocket = "registrar.socket"
        static let httpsPort = "https-port"
        static let exchangeSocket = "exchange.socket"
    }

    static let maximumFileSize = 64 * 1024

    let path: String
    let files: PrivateDirectory

    /// Opens a directory that `init` made.
    init(path: String) throws(Failure) {
        do throws(PosixError) { files = try PrivateDirectory(path: path) } catch {
            throw Failure("\(path): \(error.words) (a gateway's directory is made by 'martlet-gateway init')")
        }
        self.path = path
    }

    /// Without links, and wherever this process works.
    func absolutePath() throws(Failure) -> String {
        guard let resolved = realpath(path, nil) else { throw Failure("\(path): the path cannot be resolved") }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    func place(_ name: String) -> String { path + "/" + name }

    func read(_ name: String) throws(Failure) -> [UInt8] {
        try at(place(name)) { () throws(PosixError) in try files.read(name, limit: Self.maximumFileSize) }
    }

    func create(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        try at(place(name)) { () throws(PosixError) in try files.create(name, bytes.span) }
    }

    func replace(_ name: String, _ text: String) throws(Failure) {
        let bytes = Array(text.utf8)
        try at(place(name)) { () throws(PosixError) in try files.replace(name, bytes.span) }
    }

    /// The file's content; nil if there is none, as before it was first written.
    func text(_ name: String) throws(Failure) -> String? {
        let bytes = try at(place(name)) { () throws(PosixError) in
            try files.find(name, limit: Self.maximumFileSize)
        }
        return bytes.map { String(decoding: $0, as: UTF8.self) }
    }

    /// A directory below this one, made if there is none.
    func directory(_ name: String) throws(Failure) -> PrivateDirectory { try PrivateDirectory.make(place(name)) }

    /// Takes a lock, for which it waits up to `seconds`.
    func lock(_ name: String, seconds: Double) throws(Failure) -> DirectoryLock {
        let end = SystemClock.bootMilliseconds() + UInt64(seconds * 1000)
        while true {
            do throws(PosixError) { return try files.lock(name) } catch {
                guard case .locked = error, SystemClock.bootMilliseconds() < end else {
                    throw Failure(place(name), error)
                }
                usleep(20_000)
            }
        }
    }

    /// Where the broker listens, once it ran.
    var port: UInt16? {
        get throws(Failure) { try port(in: File.port, option: "--port") }
    }

    /// Where the registrar listens, once it ran.
    var registrarPort: UInt16? {
        get throws(Failure) { try port(in: File.registrarPort, option: "--est-port") }
    }

    /// Where the HTTPS endpoint listens, once it ran.
    var httpsPort: UInt16? {
        get throws(Failure) { try port(in: File.httpsPort, option: "--https-port") }
    }

    private func port(in name: String, option: String) throws(Failure) -> UInt16? {
        guard let text = try text(name) else { return nil }
        if let port = UInt16(text.filter { !$0.isWhitespace }), port > 0 { return port }
        throw Failure("\(place(name)): not a port: remove it, or give \(option)")
    }

    // MARK: Keys and certificates

    func certificates(_ name: String) throws(Failure) -> [Certificate] {
        let pem = try read(name)
        do throws(OpenSSLError) { return try Certificate.all(inPEM: pem.span) } catch {
            throw Failure("\(place(name)): not certificates in PEM")
        }
    }

    func key(_ name: String) throws(Failure) -> PrivateKey { try Self.key(in: files, name, at: place(name)) }

    /// A private key anywhere: a 0600 file in a 0700 directory.
    static func key(at path: String) throws(Failure) -> PrivateKey {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let files = try at(directory) { () throws(PosixError) in try PrivateDirectory(path: directory) }
        return try key(in: files, slash.map { String(path[path.index(after: $0)...]) } ?? path, at: path)
    }

    private static func key(
        in files: PrivateDirectory, _ name: String, at place: String
    ) throws(Failure) -> PrivateKey {
        var pem = try martlet_gateway.at(place) { () throws(PosixError) in
            try files.read(name, limit: maximumFileSize)
        }
        defer { secureZero(&pem) }
        do throws(OpenSSLError) { return try PrivateKey(pem: pem.span) } catch {
            throw Failure("\(place): not an unencrypted private key of P-256 or Ed25519 in PEM")
        }
    }

    func authority() throws(Failure) -> CertificateAuthority {
        let certificate = try certificates(File.authority)[0]
        let key = try key(File.authorityKey)
        do throws(OpenSSLError) { return try CertificateAuthority(certificate: certificate, key: key) } catch {
            throw Failure("\(place(File.authorityKey)): not the key of \(File.authority)")
        }
    }
}
