// SPDX-License-Identifier: Apache-2.0

public import MartletJournal
public import MartletOpenSSL
public import MartletPosix

/// Segment keys from a master key in memory. Not safe for concurrent use.
public final class OpenSSLSegmentKeys: SegmentKeys {
    private let derivation: HKDF

    /// Keeps a copy of `master` until nobody holds this object any longer.
    public init(master: Span<UInt8>) throws(OpenSSLError) { derivation = try HKDF(secret: master) }

    public func salt() -> InlineArray<32, UInt8>? { KernelRandom.bytes32() }

    public func cipher(salt: Span<UInt8>, info: Span<UInt8>) -> (any SegmentCipher)? {
        var key = InlineArray<32, UInt8>(repeating: 0)
        var bytes = key.mutableSpan
        defer { secureZero(&bytes) }
        do throws(OpenSSLError) {
            try derivation.derive(salt: salt, info: info, into: &bytes)
            return OpenSSLSegmentCipher(try AESGCM(key: bytes.span))
        } catch {
            return nil
        }
    }
}

/// AES-256-GCM of OpenSSL.
final class OpenSSLSegmentCipher: SegmentCipher {
    private let cipher: AESGCM

    init(_ cipher: AESGCM) { self.cipher = cipher }

    func seal(_ bytes: inout [UInt8], from start: Int, index: UInt64, additional: Span<UInt8>) -> Bool {
        (try? cipher.seal(&bytes, from: start, nonce: nonce(index), additional: additional)) != nil
    }

    func open(
        _ sealed: Span<UInt8>, index: UInt64, additional: Span<UInt8>, into plaintext: inout [UInt8]
    ) -> Bool {
        (try? cipher.open(sealed, nonce: nonce(index), additional: additional, into: &plaintext)) != nil
    }

    private func nonce(_ index: UInt64) -> InlineArray<12, UInt8> {
        var nonce = InlineArray<12, UInt8>(repeating: 0)
        var span = nonce.mutableSpan
        var bytes = span.mutableBytes
        bytes.storeBytes(of: index.bigEndian, toByteOffset: 4, as: UInt64.self)
        return nonce
    }
}

/// Segments as files of a private directory.
public final class DirectoryStorage: Storage {
    private let directory: SegmentDirectory

    public init(_ directory: PrivateDirectory) { self.directory = SegmentDirectory(directory) }

    public func segments() throws(StorageError) -> [SegmentName] {
        var names: [SegmentName] = []
        do throws(PosixError) {
            for name in try directory.names() { names.append(SegmentName(stream: name.stream, number: name.number)) }
        } catch {
            throw StorageError(error)
        }
        return names
    }

    public func space() -> (free: UInt64, total: UInt64)? { directory.space() }

    public func read(_ name: SegmentName, limit: Int) throws(StorageError) -> [UInt8] {
        do throws(PosixError) {
            return try directory.read(stream: name.stream, number: name.number, limit: limit)
        } catch {
            throw error.isShortage ? StorageError(error) : .unreadable
        }
    }

    public func create(_ name: SegmentName, size: Int) throws(StorageError) -> any SegmentFile {
        do throws(PosixError) {
            return DirectoryFile(try directory.create(stream: name.stream, number: name.number, size: size))
        } catch {
            throw StorageError(error)
        }
    }

    public func sync(_ name: SegmentName) throws(StorageError) {
        do throws(PosixError) {
            try directory.sync(stream: name.stream, number: name.number)
        } catch {
            throw StorageError(error)
        }
    }

    public func trim(_ name: SegmentName, to size: Int) throws(StorageError) {
        do throws(PosixError) {
            try directory.trim(stream: name.stream, number: name.number, size: size)
        } catch {
            throw StorageError(error)
        }
    }

    public func remove(_ name: SegmentName) throws(StorageError) {
        do throws(PosixError) {
            try directory.remove(stream: name.stream, number: name.number)
        } catch {
            throw StorageError(error)
        }
    }
}

final class DirectoryFile: SegmentFile {
    private let file: OpenSegment

    init(_ file: OpenSegment) { self.file = file }

    func write(_ bytes: Span<UInt8>, at offset: Int) throws(StorageError) {
        do throws(PosixError) { try file.write(bytes, at: offset) } catch { throw StorageError(error) }
    }

    func sync() throws(StorageError) {
        do throws(PosixError) { try file.sync() } catch { throw StorageError(error) }
    }
}

extension StorageError {
    init(_ error: PosixError) {
        if error.isFull {
            self = .full
        } else {
            self = .failed(error.code)
        }
    }
}
