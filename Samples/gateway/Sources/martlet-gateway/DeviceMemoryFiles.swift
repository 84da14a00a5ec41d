// SPDX-License-Identifier: Apache-2.0

import MartletController

/// What is known of each device, one file each: so that a restarted gateway still knows an older birth, and what it
/// has seen of each lane.
final class DeviceMemoryFiles {
    private let files: PrivateDirectory
    private let place: String
    private var recalled: Set<[UInt8]> = []

    init(_ directory: GatewayDirectory) throws(Failure) {
        files = try directory.directory("memory")
        place = directory.place("memory")
    }

    /// Gives the verifier what was kept of a device, once. A file that cannot be read is as good as none.
    func recall(_ device: [UInt8], into verifier: DeviceVerifier) {
        guard DeviceID.isValid(device.span), recalled.insert(device).inserted, let memory = read(device) else { return }
        verifier.restore(device, memory)
    }

    /// What was kept of a device, which must obey `DeviceID`; nil if nothing was, or it cannot be read.
    func read(_ device: [UInt8]) -> DeviceMemory? {
        guard let bytes = try? files.read(name(device), limit: DeviceMemory.maximumSize) else { return nil }
        return DeviceMemory(decoding: bytes.span)
    }

    func store(_ device: [UInt8], _ memory: DeviceMemory) throws(Failure) {
        let name = name(device)
        let bytes = memory.encoded()
        try at("\(place)/\(name)") { () throws(PosixError) in try files.replace(name, bytes.span) }
    }

    private func name(_ device: [UInt8]) -> String { String(decoding: device, as: UTF8.self) + ".cbor" }
}
