// SPDX-License-Identifier: Apache-2.0

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

    /// Makes the directory if it does not exist.
    init(creating path: String) throws(Failure) {
        files = try at(path) { () throws(PosixError) in try PrivateDirectory(creating: path) }
        self.path = path
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

    /// The file's content; nil if it cannot be read, as before it was first written.
    func text(_ name: String) -> String? {
        (try? files.read(name, limit: Self.maximumFileSize)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A directory below this one.
    func directory(_ name: String) throws(Failure) -> PrivateDirectory {
        try at(place(name)) { () throws(PosixError) in try PrivateDirectory(creating: place(name)) }
    }

    /// Where the broker listens, once it ran.
    var port: UInt16? { text(File.port).flatMap { UInt16($0.filter(\.isNumber)) } }

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
