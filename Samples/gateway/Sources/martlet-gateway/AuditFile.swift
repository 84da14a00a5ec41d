// SPDX-License-Identifier: Apache-2.0

import Glibc
import MartletController

/// The signed messages that hold a device's audit log, as they came, one file for each device: a CBOR sequence (RFC
/// 8742) of checkpoints, and of the births that brought the keys. It only grows.
struct AuditFile {
    static let maximumSize = 1 << 28

    let path: String
    private let files: PrivateDirectory
    private let name: String

    /// `device` must obey `DeviceID`.
    init(_ directory: GatewayDirectory, of device: [UInt8]) throws(Failure) {
        files = try directory.directory("audit")
        name = String(decoding: device, as: UTF8.self) + ".cborseq"
        path = directory.place("audit/" + name)
    }

    /// Empty if nothing came yet.
    func read() throws(Failure) -> [UInt8] {
        var status = stat()
        if lstat(path, &status) != 0 {
            if errno == ENOENT { return [] }
            throw failure("lstat")
        }
        // With room for what is added meanwhile.
        let limit = min(Int(clamping: status.st_size) + (1 << 20), Self.maximumSize)
        return try at(path) { () throws(PosixError) in try files.read(name, limit: limit) }
    }

    /// Durable on return; false if the file has no room. After an error a part may be left at the end.
    func append(_ envelope: Span<UInt8>) throws(Failure) -> Bool {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("open") }
        defer { close(descriptor) }
        let size = lseek(descriptor, 0, SEEK_END)
        guard size >= 0 else { throw failure("lseek") }
        if size + envelope.count > Self.maximumSize { return false }
        var start = 0
        while start < envelope.count {
            let rest = envelope.extracting(start...)
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                start += count
            } else if errno != EINTR {
                let failure = failure("write")
                ftruncate(descriptor, size)
                throw failure
            }
        }
        guard fsync(descriptor) == 0 else {
            let failure = failure("fsync")
            ftruncate(descriptor, size)
            throw failure
        }
        if size == 0 { try syncDirectory(NewDirectory.split(path).parent) }
        return true
    }

    /// Sets aside what an interrupted write left at the end, so that what follows can be read. Gives its new place.
    func setAsideTornEnd() throws(Failure) -> String? {
        let bytes = try read()
        guard let bad = EnvelopeSequence(bytes.span).bad else { return nil }
        let torn = "\(name).torn-\(SystemClock.unixMilliseconds())"
        try at(path) { () throws(PosixError) in
            try files.create(torn, bytes.span.extracting(bad...))
            try files.replace(name, bytes.span.extracting(..<bad))
        }
        return path + torn.dropFirst(name.count)
    }

    private func failure(_ call: String) -> Failure { Failure("\(path): \(call): \(String(cString: strerror(errno)))") }
}
