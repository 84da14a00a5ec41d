// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import MartletController

struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publishes a stored command as it is, to see a replayed or altered copy refused.",
        discussion: "The file is one that 'command --save' wrote. What the device makes of it, 'run' shows.")

    @OptionGroup var directory: DirectoryOption

    @Argument(help: "The file.")
    var file: String

    @Argument(help: "The id of the device.")
    var device: String

    @Option(
        help: ArgumentHelp("Flip this bit of the message first; 0 is the highest of the first byte.", valueName: "n"))
    var flipBit: Int?

    @Option(help: "The broker's name or address.")
    var host = "127.0.0.1"

    @Option(help: "The broker's port; default: that of the last run.")
    var port: UInt16?

    func validate() throws {
        guard DeviceID.isValid(Array(device.utf8).span) else {
            throw ValidationError("'\(printable(device))' is not a device id.")
        }
    }

    func run() throws {
        let place = try directory.open()
        var message = try SavedCommand.read(file)
        if let flipBit {
            guard (0..<message.count * 8).contains(flipBit) else {
                throw Failure("\(file): --flip-bit is from 0 to \(message.count * 8 - 1) for this file")
            }
            message[flipBit / 8] ^= 0x80 >> UInt8(flipBit % 8)
        }
        let lock = try SequenceFile(place, seconds: 10)
        let configuration = try Party.operator.link(
            place, host: host, port: try place.port(or: port), subscriptions: [])
        let delivery = Delivery()
        let link = try ControllerLink.make(configuration, delivery)
        delivery.finish = { [unowned link] in link.stop() }
        _ = link.publish(topic: Array("\(BrokerFiles.prefix)/\(device)/command".utf8), payload: message)
        try at("a thread") { () throws(PosixError) in try link.start() }
        link.wait()
        withExtendedLifetime(lock) {}
        switch delivery.reasonCode {
        case 0: print("\(message.count) bytes went to \(device)")
        case 0x10: throw Failure("\(device) is not connected: nobody received the message")
        case let code?: throw Failure("the broker refused the message with code \(code)")
        case nil: throw Failure("no connection to the broker: \(delivery.trouble)")
        }
    }
}

/// Waits for the broker's word on one message, for ten seconds.
private final class Delivery: ControllerLinkDelegate {
    var finish: () -> Void = {}
    private(set) var reasonCode: UInt8?
    private(set) var trouble = "no answer"
    private let deadline = SystemClock.bootMilliseconds() + 10_000

    func linkChanged(_ state: LinkState) {
        if case .disconnected(let trouble, _) = state { self.trouble = trouble.text }
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool { true }

    func linkPublished(token: UInt64, reasonCode: UInt8) {
        self.reasonCode = reasonCode
        finish()
    }

    func linkTicked() {
        if SystemClock.bootMilliseconds() >= deadline { finish() }
    }
}

/// A signed command in a file. It is no secret, and of no use once the device's challenge has changed.
enum SavedCommand {
    /// Before anything is sent that could then not be stored.
    static func requireNew(_ path: String) throws(Failure) {
        if access(path, F_OK) == 0 { throw Failure("\(path): exists already: name a new file (nothing was sent)") }
    }

    static func write(_ message: [UInt8], to path: String) throws(Failure) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, message, message.count) == message.count, fsync(descriptor) == 0 else {
            throw Failure("\(path): \(String(cString: strerror(errno)))")
        }
        try syncDirectory(NewDirectory.split(path).parent)
    }

    static func read(_ path: String) throws(Failure) -> [UInt8] {
        try at(path) { () throws(PosixError) in try PublicFile.read(path, limit: Envelope.maximumSize) }
    }
}
