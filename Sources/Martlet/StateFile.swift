// SPDX-License-Identifier: Apache-2.0

internal import MartletPosix
internal import MartletSession

/// The run's state in one small file of a private directory that this process has locked.
final class StateFile: StateStore {
    private static let name = "martlet.state"
    private static let maximumSize = 4096

    private let directory: PrivateDirectory
    private var lock: DirectoryLock?

    /// Makes the directory if it is missing. One process at a time can have it.
    init(_ path: String) throws(MartletError) {
        do throws(PosixError) {
            directory = try PrivateDirectory(creating: path)
            lock = try directory.lock("martlet.lock")
        } catch {
            throw MartletError(.state, file: path, error)
        }
    }

    /// Lets another process, or another device of this one, have the directory. Nothing is saved after this.
    func unlock() { lock = nil }

    func load() -> [UInt8]? {
        do throws(PosixError) {
            return try directory.read(Self.name, limit: Self.maximumSize)
        } catch {
            // A file that is there but cannot be read is damage, not a first start.
            return error.isMissingFile ? nil : []
        }
    }

    func save(_ bytes: Span<UInt8>) -> Bool {
        lock != nil && (try? directory.replace(Self.name, bytes)) != nil
    }
}
