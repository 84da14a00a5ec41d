// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Which devices there are, and which of them may have a certificate: a file for each, so that a restarted gateway and
/// the verbs beside a running one know the same.
struct Registry: Sendable {
    private static let suffix = ".device"

    private let directory: GatewayDirectory
    private let files: PrivateDirectory

    init(_ directory: GatewayDirectory) throws(Failure) {
        self.directory = directory
        files = try directory.directory("registry")
    }

    /// Whoever changes an entry holds it from reading to storing, at most for moments.
    func lock() throws(Failure) -> DirectoryLock { try directory.lock("registry.lock", seconds: 10) }

    /// nil if there is no such device. `id` must obey `DeviceID`.
    func entry(_ id: String) throws(Failure) -> DeviceEntry? {
        let name = id + Self.suffix
        let place = directory.place("registry/" + name)
        let bytes = try at(place) { () throws(PosixError) in try files.find(name, limit: DeviceEntry.maximumSize) }
        guard let bytes else { return nil }
        if let entry = DeviceEntry(text: String(decoding: bytes, as: UTF8.self)) { return entry }
        throw Failure("\(place): damaged, or written by another version: bring a copy back")
    }

    /// Durable on return.
    func store(_ id: String, _ entry: DeviceEntry) throws(Failure) {
        let (name, text) = (id + Self.suffix, Array(entry.text.utf8))
        try at(directory.place("registry/" + name)) { () throws(PosixError) in try files.replace(name, text.span) }
    }

    /// All devices, by their ids.
    func entries() throws(Failure) -> [(id: String, entry: DeviceEntry)] {
        var entries: [(id: String, entry: DeviceEntry)] = []
        for id in try ids() {
            if let entry = try entry(id) { entries.append((id, entry)) }
        }
        return entries
    }

    private func ids() throws(Failure) -> [String] {
        try NewDirectory.names(in: directory.place("registry")).filter { $0.hasSuffix(Self.suffix) }
            .map { String($0.dropLast(Self.suffix.count)) }.sorted()
    }

    /// Throws if a device has the name, and so the rights, of a part of the back end.
    func requireUnreserved() throws(Failure) {
        guard let id = try ids().first(where: Party.isReserved) else { return }
        throw Failure(
            "\(directory.place("registry/" + id + Self.suffix)): the device '\(id)' has the name of a part of the back "
                + "end, for which its certificate would be taken: delete its certificate and key on the device and "
                + "here, and this file, and add the device by another id")
    }

    /// A URN names one device, which keeps it.
    func requireFree(_ urn: String, for id: String) throws(Failure) {
        for (other, entry) in try entries() where (other == id) != (entry.urn == urn) {
            if other != id { throw Failure("\(urn) is the URN of '\(other)'") }
            throw Failure("'\(id)' is \(entry.urn): a device keeps its URN; leave --urn out, or use another id")
        }
    }

    /// Changes the entry of a device that exists, and what the broker lets it do. If it throws it can be done again.
    func change(_ id: String, _ body: (inout DeviceEntry) throws(Failure) -> Void) throws(Failure) {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        guard var entry = try entry(id) else {
            throw Failure("there is no device '\(id)': 'martlet-gateway device list' shows all")
        }
        try body(&entry)
        try store(id, entry)
        // Always: an earlier attempt may have ended between the two.
        try writeAccessRules()
    }

    /// Tells a broker that is about to start which devices are barred.
    func tellBarred() throws(Failure) {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        try writeAccessRules()
    }

    private func writeAccessRules() throws(Failure) {
        // Of a damaged entry nobody knows that the device is not.
        let barred = try ids().filter { (try? entry($0))?.state.isBarred ?? true }
        try BrokerFiles(directory: directory).writeAccessRules(barred: barred)
    }
}
