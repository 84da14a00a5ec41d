// SPDX-License-Identifier: Apache-2.0

internal import MartletPosix
internal import MartletSession

/// The run's state in one small file of a private directory that this process has locked.
final class StateFile: StateStore {
    private static let name = "martlet.state"
    private static let maximumSize = 4096

    private let directory: PrivateDirectory
    private var lock: DirectoryLock?
    private let saved: [UInt8]?

    /// Makes the directory if it is missing. One process at a time can have it. A state that is there and cannot be
    /// read is an error, not a first start: its numbers would be used again.
    init(_ path: String) throws(MartletError) {
        do throws(PosixError) {
            directory = try PrivateDirectory(creating: path)
            lock = try directory.lock("martlet.lock")
            saved = try Self.read(directory)
        } catch {
            throw MartletError(.state, file: path, error)
        }
    }

    private static func read(_ directory: PrivateDirectory) throws(PosixError) -> [UInt8]? {
        do throws(PosixError) { return try directory.read(name, limit: maximumSize) } catch {
            if error.isMissingFile { return nil }
            // Nothing that was saved is so large: the content is damaged.
            if case .tooLarge = error { return [] }
            throw error
        }
    }

    /// Lets another process, or another device of this one, have the directory. Nothing is saved after this.
    func unlock() { lock = nil }

    func load() -> [UInt8]? { saved }

    func save(_ bytes: Span<UInt8>) -> Bool {
        lock != nil && (try? directory.replace(Self.name, bytes)) != nil
    }
}
