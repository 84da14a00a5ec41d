// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Keeps what devices sign about their audit logs.
final class AuditFiles {
    private let directory: GatewayDirectory
    private var files: [[UInt8]: AuditFile] = [:]
    /// The run of the birth that was stored last, and the device's own certificate in it.
    private var births: [[UInt8]: (run: UInt64, certificate: [UInt8]?)] = [:]
    /// The message that was stored last.
    private var last: [UInt8] = []

    init(_ directory: GatewayDirectory) { self.directory = directory }

    /// Stores a verified message, if it belongs to the log and is new; durable on return. Gives what was found to be
    /// wrong with the file. After an error the message was not stored, and must come again.
    func keep(_ message: DeviceMessage, _ envelope: Span<UInt8>) throws(Failure) -> String? {
        switch message.content {
        case .birth(let birth, let standing):
            if standing == .older { return nil }
            // One for each run tells the key, if the device was not set up anew within it.
            let leaf = (try? Envelope(decoding: envelope))?.x5chain.first
            let certificate = leaf.map { [UInt8](copying: envelope.extracting($0)) }
            if let stored = births[message.device], stored == (birth.run, certificate) { return nil }
            let problem = try append(envelope, message.device)
            births[message.device] = (birth.run, certificate)
            return problem
        case .checkpoint(_, _, .repeated): return nil
        case .checkpoint: return try append(envelope, message.device)
        default: return nil
        }
    }

    private func append(_ envelope: Span<UInt8>, _ device: [UInt8]) throws(Failure) -> String? {
        // It comes again, since what else had to be stored was not.
        if last.span.isEqual(to: envelope) { return nil }
        // Until it is stored, the file's end may be torn.
        let known = files.removeValue(forKey: device)
        let file: AuditFile
        var torn: String?
        if let known {
            file = known
        } else {
            file = try AuditFile(directory, of: device)
            torn = try file.setAsideTornEnd()
        }
        guard try file.append(envelope) else {
            files[device] = file
            return "\(file.path): full: what the device logs is not stored any longer: end 'run', move this file and "
                + "the device's one in 'memory' elsewhere together, and start it again"
        }
        last = [UInt8](copying: envelope)
        files[device] = file
        return torn.map { "\(file.path): its end was torn, and is in \($0) now" }
    }
}
