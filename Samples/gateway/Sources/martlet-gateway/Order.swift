// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct Order: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "command",
        abstract: "Sends a device a signed command, and waits for its signed receipt.",
        discussion: """
            An argument is an integer, a number, true or false, or else text; the prefixes integer:, number:, text: \
            and data: (hexadecimal) force a type. Negative numbers come after '--', or with a prefix.

            Exit status: 0 the device did it; 3 the device refused it or failed; 4 no answer in time; 64 wrong usage; \
            1 anything else.
            """)

    static let refused = ExitCode(3)
    static let unanswered = ExitCode(4)

    @OptionGroup var directory: DirectoryOption

    @Argument(help: "The device's id.")
    var device: String

    @Argument(help: "The command's name.")
    var name: String

    @Argument(help: "Its arguments.")
    var arguments: [String] = []

    @Option(help: ArgumentHelp("Seconds from acceptance in which the handler must begin.", valueName: "seconds"))
    var deadline: UInt64?

    @Option(
        help: ArgumentHelp("Seconds from now after which a device with trusted time refuses it.", valueName: "seconds"))
    var expires: UInt64?

    @Option(help: ArgumentHelp("How long to wait for the device and its receipt.", valueName: "seconds"))
    var wait: Double = 10

    @Option(help: ArgumentHelp("Store the signed command, as it was sent last, in this new file.", valueName: "file"))
    var save: String?

    @Flag(help: "Sign and store the command, but do not send it.")
    var hold = false

    @Option(help: "The broker's name or address.")
    var host = "127.0.0.1"

    @Option(help: "The broker's port; default: that of the last run.")
    var port: UInt16?

    func validate() throws {
        _ = try command()
        guard DeviceID.isValid(Array(device.utf8).span) else {
            throw ValidationError("'\(printable(device))' is not a device id.")
        }
        guard !hold || save != nil else { throw ValidationError("--hold needs --save FILE.") }
        guard wait > 0, wait <= 86_400 else {
            throw ValidationError("--wait is more than 0 and at most 86400 seconds.")
        }
        guard (expires ?? 1) <= 31_536_000 else { throw ValidationError("--expires is at most a year.") }
    }

    func run() throws {
        if let save { try SavedCommand.requireNew(save) }
        let place = try directory.open()
        let sequences = try SequenceFile(place, seconds: wait)
        let signer = try CommandSigner(
            issuer: Party.operator.issuer, key: place.key(Party.operator.signingKey), sequences: sequences)
        let operation = Operation(
            device: device, command: try command(), id: try CommandSigner.newID(), expires: expires, signer: signer,
            verifier: try DeviceVerifier(anchors: place.certificates(GatewayDirectory.File.authority)),
            seconds: wait, isHeld: hold)
        let topics = operation.subscriptions
        let configuration = try Party.operator.link(
            place, host: host, port: try place.port(or: port), subscriptions: topics)
        let link = try ControllerLink.make(configuration, operation)
        operation.publish = { [unowned link] topic, payload in
            link.publish(topic: Array(topic.utf8), payload: payload)
        }
        operation.finish = { [unowned link] in link.stop() }
        try at("a thread") { () throws(PosixError) in try link.start() }
        link.wait()

        if let save, let sent = operation.sent { try SavedCommand.write(sent.message, to: save) }
        try conclude(operation.end)
    }

    private func conclude(_ end: Operation.End?) throws {
        switch end {
        case .answered(let receipt):
            let results = receipt.results.map(\.text).joined(separator: " ")
            print("\(device): \(name): \(receipt.outcome.words)" + (results.isEmpty ? "" : ": \(results)"))
            if receipt.outcome != .done { throw Self.refused }
        case .held: print("\(device): \(name): signed, not sent")
        case .unanswered(let reason):
            Output.write("\(device): no answer within \(decimal(wait)) s: \(reason)\n", to: Output.error)
            throw Self.unanswered
        case .failed(let reason): throw Failure(reason)
        case nil: throw Failure("the connection ended before there was an answer")
        }
    }

    private func command() throws -> Command {
        guard Command.isValidName(Array(name.utf8).span) else {
            throw ValidationError(
                "'\(printable(name))' is not a command's name: a letter, then letters, digits and '-', all lower case.")
        }
        guard arguments.count <= Command.maximumArguments else {
            throw ValidationError("A command has at most \(Command.maximumArguments) arguments.")
        }
        let values = try arguments.map { argument in
            guard let value = CommandValue(argument: argument) else {
                throw ValidationError("'\(printable(argument))' is not of the type that its prefix says, or too long.")
            }
            return value
        }
        guard (deadline ?? 0) <= 1 << 31 else { throw ValidationError("--deadline is at most 2^31 seconds.") }
        return Command(name: Array(name.utf8), arguments: values, deadline: deadline)
    }
}

extension GatewayDirectory {
    /// The given port, or that of the last run.
    func port(or given: UInt16?) throws(Failure) -> UInt16 {
        if let given { return given }
        return try known(port, File.port, option: "--port")
    }

    /// The given port, or that of the last run with a registrar.
    func registrarPort(or given: UInt16?) throws(Failure) -> UInt16 {
        if let given { return given }
        return try known(registrarPort, File.registrarPort, option: "--est-port")
    }

    private func known(_ port: UInt16?, _ name: String, option: String) throws(Failure) -> UInt16 {
        if let port { return port }
        throw Failure("\(place(name)): no port: start 'martlet-gateway run' first, or give \(option)")
    }
}
