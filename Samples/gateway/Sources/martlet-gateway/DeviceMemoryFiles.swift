// SPDX-License-Identifier: Apache-2.0

import MartletController

/// What is known of each device, one file each: so that a restarted gateway still knows its keys, an older birth, and
/// what it has seen of each lane and of the audit log.
final class DeviceMemoryFiles {
    private let files: PrivateDirectory
    private let place: String
    private var recalled: Set<[UInt8]> = []

    init(_ directory: GatewayDirectory) throws(Failure) {
        files = try directory.directory("memory")
        place = directory.place("memory")
    }

    /// Gives the verifier what was kept of a device, once. Returns what is wrong with it, if it can be used all the
    /// same; what cannot be read is an error each time, and nothing of the device may be taken then.
    func recall(_ device: [UInt8], into verifier: DeviceVerifier) throws(Failure) -> String? {
        guard DeviceID.isValid(device.span), !recalled.contains(device) else { return nil }
        let memory = try read(device)
        let refusal = memory.flatMap { verifier.restore(device, $0) }
        if refusal == .tooManyDevices {
            return "\(place)/\(name(device)): not used, and what the device sends is refused and lost: "
                + "there are more devices than this gateway takes"
        }
        recalled.insert(device)
        return refusal.map { "\(place)/\(name(device)): a certificate of the device is left out: \($0.words)" }
    }

    /// What was kept of a device, which must obey `DeviceID`; nil if nothing was.
    func read(_ device: [UInt8]) throws(Failure) -> DeviceMemory? {
        let path = "\(place)/\(name(device))"
        let bytes = try at(path) { () throws(PosixError) in
            try files.find(name(device), limit: DeviceMemory.maximumSize)
        }
        guard let bytes else { return nil }
        do throws(DeviceMemoryError) { return try DeviceMemory(decoding: bytes.span) } catch {
            let advice =
                switch error {
                case .damaged: "damaged: bring a copy back"
                case .otherVersion: "written by another version of the gateway: use that one"
                }
            throw Failure("\(path): \(advice); if you remove it, all that is known of the device is forgotten")
        }
    }

    func store(_ device: [UInt8], _ memory: DeviceMemory) throws(Failure) {
        let name = name(device)
        let bytes = memory.encoded()
        try at("\(place)/\(name)") { () throws(PosixError) in try files.replace(name, bytes.span) }
    }

    private func name(_ device: [UInt8]) -> String { String(decoding: device, as: UTF8.self) + ".cbor" }
}

extension PrivateDirectory {
    /// The content of a file; nil if there is none of this name.
    func find(_ name: String, limit: Int) throws(PosixError) -> [UInt8]? {
        do throws(PosixError) { return try read(name, limit: limit) } catch {
            if error.isMissingFile { return nil }
            throw error
        }
    }
}
