// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct TrustAllow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "allow", abstract: "Lets a role send a command, in place of what it was allowed of it before.",
        discussion: "Example: trust allow operate set-interval --argument 5..600 --rate 10/60")

    @OptionGroup var options: TrustOptions

    @Argument(help: "The role.")
    var role: String

    @Argument(help: "The command.")
    var command: String

    @Option(help: ArgumentHelp("At most so many in so many seconds.", valueName: "count/seconds"))
    var rate: String?

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "What an argument may be: 5..600, on,off or any. Repeated: one for each argument of the command; default: "
                + "any arguments.", valueName: "limit"))
    var argument: [String] = []

    @Flag(help: "Also while the device is suspended.")
    var whileSuspended = false

    func run() throws {
        let rule = TrustDocument.Rule(
            command: Array(command.utf8), rate: try rate.map { try TrustDocument.Rate(words: $0) },
            arguments: argument.isEmpty ? nil : try argument.map { try TrustDocument.Rule.limit(words: $0) },
            whileSuspended: whileSuspended)
        let name = Array(role.utf8)
        try options.change { document in
            document.removeRules(of: rule.command, from: name)
            if let index = document.policy.firstIndex(where: { $0.name == name }) {
                document.policy[index].rules.append(rule)
            } else {
                document.policy.append(TrustDocument.Role(name: name, rules: [rule]))
            }
        }
    }
}

struct TrustDeny: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deny", abstract: "Takes a command from a role.")

    @OptionGroup var options: TrustOptions

    @Argument(help: "The role.")
    var role: String

    @Argument(help: "The command.")
    var command: String

    func run() throws {
        try options.change { document in
            if !document.removeRules(of: Array(command.utf8), from: Array(role.utf8)) {
                throw Failure("the role '\(printable(role))' has no rule for '\(printable(command))'")
            }
        }
    }
}

extension TrustDocument {
    /// Whether there were any.
    @discardableResult
    mutating func removeRules(of command: [UInt8], from role: [UInt8]) -> Bool {
        guard let index = policy.firstIndex(where: { $0.name == role }) else { return false }
        let count = policy[index].rules.count
        policy[index].rules.removeAll { $0.command == command }
        return policy[index].rules.count < count
    }

    /// For people.
    var words: String {
        var lines = ["version \(version), signed by \(threshold) of \(roots.count) roots", "", "roots"]
        lines += roots.map { "  kid \(hex($0.id))" }
        lines += ["", "controllers"]
        for controller in controllers {
            let roles = controller.roles.map { printable($0) }.joined(separator: ", ")
            lines.append("  \(printable(controller.name)): \(roles) (kid \(hex(controller.key.id)))")
        }
        for role in policy {
            lines += ["", "\(printable(role.name)) may send"]
            lines += role.rules.map { "  \($0.words)" }
        }
        return lines.joined(separator: "\n")
    }
}

extension TrustDocument.Rate {
    /// `count/seconds`
    init(words: String) throws {
        let parts = words.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let count = UInt64(parts[0]), let seconds = UInt64(parts[1]),
            (1...Self.maximumCount).contains(count), (1...Self.maximumSeconds).contains(seconds)
        else {
            throw ValidationError(
                "'\(printable(words))' is not a rate: COUNT/SECONDS, at most \(Self.maximumCount) in "
                    + "\(Self.maximumSeconds) seconds.")
        }
        self.init(count: count, seconds: seconds)
    }
}

extension TrustDocument.Rule {
    /// `any`, `least..greatest`, or texts with commas between them.
    static func limit(words: String) throws -> [CommandValue] {
        if words == "any" { return [] }
        if words.contains("..") {
            guard let middle = words.firstRange(of: ".."),
                let least = number(words[..<middle.lowerBound]), let greatest = number(words[middle.upperBound...])
            else { throw ValidationError("'\(printable(words))' is not a range of numbers: 5..600.") }
            return [least, greatest]
        }
        return words.split(separator: ",", omittingEmptySubsequences: false).map { .text(Array($0.utf8)) }
    }

    private static func number(_ text: Substring) -> CommandValue? {
        if let integer = Int64(text) { return .integer(integer) }
        return Double(text).flatMap { $0.isFinite ? .number($0) : nil }
    }

    /// For people.
    var words: String {
        var text = printable(command)
        if let arguments {
            text += " (" + arguments.map { limit in Self.words(limit) }.joined(separator: "; ") + ")"
        }
        if let rate { text += ", \(rate.count) in \(rate.seconds) s" }
        if whileSuspended { text += whileActive ? ", also while suspended" : ", only while suspended" }
        return text
    }

    private static func words(_ limit: [CommandValue]) -> String {
        if limit.isEmpty { return "any" }
        if case .text = limit[0] { return limit.map(\.text).joined(separator: " or ") }
        return "\(limit[0].text) to \(limit[limit.count - 1].text)"
    }
}

private func hex(_ id: KeyID) -> String {
    let digits = String(id.value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
}
