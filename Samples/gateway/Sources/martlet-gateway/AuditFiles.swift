// SPDX-License-Identifier: Apache-2.0

import MartletController

/// Keeps what devices sign about their audit logs.
final class AuditFiles {
    private let directory: GatewayDirectory
    private var files: [[UInt8]: AuditFile] = [:]
    /// The run whose birth is in the file.
    private var runs: [[UInt8]: UInt64] = [:]
    /// The message that was stored last.
    private var last: [UInt8] = []

    init(_ directory: GatewayDirectory) { self.directory = directory }

    /// Stores a verified message, if it belongs to the log and is new; durable on return. Gives what was found to be
    /// wrong with the file. After an error the message was not stored, and must come again.
    func keep(_ message: DeviceMessage, _ envelope: Span<UInt8>) throws(Failure) -> String? {
        switch message.content {
        case .birth(let birth, let standing):
            // One for each run tells the key; it is needed again only after a new one.
            if standing == .older || runs[message.device] == birth.run { return nil }
            let problem = try append(envelope, message.device)
            runs[message.device] = birth.run
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
            return "\(file.path): full: what the device logs is not stored any longer: move the file elsewhere"
        }
        last = [UInt8](copying: envelope)
        files[device] = file
        return torn.map { "\(file.path): its end was torn, and is in \($0) now" }
    }
}
