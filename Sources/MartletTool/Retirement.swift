// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletEnrolment
import MartletINI
import MartletPosix

/// What a device has in its directories, and how it ends. This process has locked all of it.
///
/// The first step gives the private key the name `retired.pem`, by one rename: before it the device is whole, after it
/// nothing starts with it. That file goes last. `martlet.conf`, which says where the rest is, goes next to last.
struct Retirement {
    private struct Place {
        let path: [UInt8]
        let directory: PrivateDirectory

        func path(of name: String) -> [UInt8] { path + [UInt8(ascii: "/")] + Array(name.utf8) }
    }

    /// Names of which nothing is said: locks that are held, and the credential that a manufacturer gave.
    private static var expected: [StaticString] { ["martlet.lock", "renewal.lock", "factory.pem"] }

    private let home: Place
    /// Where the journal is, if that is another directory.
    private let outpost: Place?
    private let configuration: Configuration?
    private var locks: [DirectoryLock] = []
    /// Whether the first step is done. It is durable.
    let hasBegun: Bool

    init(_ path: [UInt8]) throws(Failure) {
        let home: Place
        do throws(PosixError) {
            home = Place(path: path, directory: try PrivateDirectory(path: String(decoding: path, as: UTF8.self)))
            for name in ["martlet.lock", "renewal.lock"] { locks.append(try home.directory.lock(name)) }
            try home.directory.syncNames()
        } catch { throw Self.failure(path, error) }
        self.home = home
        let names: [[UInt8]]
        do throws(PosixError) { names = try home.directory.names() } catch { throw Self.failure(path, error) }
        hasBegun = names.contains(Array(DeviceFiles.retired.utf8))
        guard names.contains(Array(DeviceFiles.configuration.utf8)) else {
            guard hasBegun else {
                throw Failure(.nothingToDo, "no device is onboarded in ", path, ": there is nothing to retire")
            }
            configuration = nil
            outpost = nil
            return
        }
        let configuration = try Configuration(directory: path)
        self.configuration = configuration
        var other: Place?
        do throws(PosixError) {
            // Locked also if the device never ran, so that it does not begin now.
            let state = try PrivateDirectory(creating: configuration.stateDirectory)
            if try !state.isSame(as: home.directory) {
                locks.append(try state.lock("martlet.lock"))
                other = Place(path: Array(configuration.stateDirectory.utf8), directory: state)
            }
        } catch {
            guard error.isMissingFile else { throw Self.failure(Array(configuration.stateDirectory.utf8), error) }
        }
        outpost = other
    }

    /// Refuses another device's id. If what says whose the directory is has been erased, it was asked for before.
    func require(_ id: [UInt8]) throws(Failure) {
        guard let own = configuration?.id, own != id else { return }
        throw Failure(.usage, "the directory belongs to ", own, ", not to the device that --id names")
    }

    func requireConfiguration() throws(Failure) -> Configuration {
        if let configuration { return configuration }
        throw Failure(.usage, "", home.path(of: DeviceFiles.configuration), " is missing")
    }

    /// The name of the private key. Key and certificate are where they can be erased.
    func requireKey() throws(Failure) -> String {
        let configuration = try requireConfiguration()
        if let key = home.directory.name(at: configuration.key),
            home.directory.name(at: configuration.certificate) != nil
        {
            return key
        }
        throw Failure(
            .usage, "", Array(configuration.key.utf8),
            ": key and certificate must be in the directory of martlet.conf to be erased: move them there")
    }

    /// The first step; durable on return.
    func begin() throws(Failure) {
        let key = try requireKey()
        do throws(PosixError) {
            do throws(PosixError) { try home.directory.rename(key, to: DeviceFiles.retired) } catch {
                // Without its key nothing starts either, and the rest has to go all the same.
                guard error.isMissingFile else { throw error }
                try home.directory.create(DeviceFiles.retired, [UInt8]().span)
            }
        } catch { throw Self.failure(home.path(of: key), error) }
    }

    /// All other steps. `leave` gets the files that are left alone because they may be anybody's. Secrets that `[https]`
    /// shows and that are elsewhere are among them, and come before what names them is gone.
    func erase(leave: ([UInt8]) -> Void) throws(Failure) {
        for name in [
            DeviceFiles.credential, DeviceFiles.key, DeviceFiles.pendingKey, DeviceFiles.nextKey,
            DeviceFiles.nextCredential,
        ] { try overwrite(name, in: home) }
        if let configuration, let certificate = home.directory.name(at: configuration.certificate) {
            try overwrite(certificate, in: home)
        }
        for place in places { try eraseJournal(in: place) }
        for file in https(["bearer", "api-key"]) {
            guard let (directory, name) = PrivateDirectory.split(file) else { continue }
            if let place = places.first(where: { (try? directory.isSame(as: $0.directory)) == true }) {
                try overwrite(name, in: place)
            } else if (try? directory.names())?.contains(Array(name.utf8)) == true {
                leave(Array(file.utf8))
            }
        }
        try remove(DeviceFiles.anchors)
        for file in [configuration?.anchors ?? "", configuration?.document ?? ""] + https(["ca"]) {
            if let name = home.directory.name(at: file) { try remove(name) }
        }
        try remove(DeviceFiles.configuration)
        try overwrite(DeviceFiles.retired, in: home)
        for place in places {
            for file in try others(in: place) { leave(file) }
        }
    }

    /// The files that these keys of `[https]` name.
    private func https(_ keys: [StaticString]) -> [String] {
        guard let configuration, let section = configuration.https else { return [] }
        return section.entries.filter { entry in keys.contains { entry.hasKey($0) } }
            .map { configuration.path($0.value) }
    }

    private var places: [Place] { [home] + (outpost.map { [$0] } ?? []) }

    /// The key first: without it the segments are noise.
    private func eraseJournal(in place: Place) throws(Failure) {
        try overwrite("master.key", in: place)
        do throws(PosixError) {
            let segments = SegmentDirectory(place.directory)
            for segment in try segments.names() {
                try segments.remove(stream: segment.stream, number: segment.number)
            }
        } catch { throw Self.failure(place.path, error) }
    }

    /// Also what a write that was cut short may have left (`PrivateDirectory.replace`).
    private func overwrite(_ name: String, in place: Place) throws(Failure) {
        for path in [place.path(of: name), place.path(of: name) + Array(".new".utf8)] {
            do throws(PosixError) { try SpentFile.erase(String(decoding: path, as: UTF8.self)) } catch {
                guard error.isMissingFile else { throw Self.failure(path, error) }
            }
        }
    }

    private func remove(_ name: String) throws(Failure) {
        do throws(PosixError) {
            try home.directory.remove(name)
            try home.directory.remove(String(decoding: Array(name.utf8) + Array(".new".utf8), as: UTF8.self))
        } catch { throw Self.failure(home.path(of: name), error) }
    }

    private func others(in place: Place) throws(Failure) -> [[UInt8]] {
        do throws(PosixError) {
            return try place.directory.names().filter { name in !Self.expected.contains { name.equals($0) } }
                .map { place.path + [UInt8(ascii: "/")] + $0 }
        } catch { throw Self.failure(place.path, error) }
    }

    private static func failure(_ path: [UInt8], _ error: PosixError) -> Failure {
        if case .locked = error {
            return Failure(
                .system, "", path, " is in use: stop the device, or wait for the other martlet, and run this again")
        }
        return Failure(path, error)
    }
}
