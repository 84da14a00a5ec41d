// SPDX-License-Identifier: Apache-2.0

import CTool

/// What a shell gets.
enum Status: Int32 {
    case success = 0
    case nothingFound = 1
    case usage = 2
    case system = 3
}

/// A first argument, and what does it with the others.
struct Verb {
    let name: StaticString
    let run: ([[UInt8]]) -> Status
}

@main struct Tool {
    static let version: StaticString = "0.1.0"

    private static var verbs: [Verb] { [Verb(name: "discover", run: Discover.run)] }

    static let help: StaticString = """
        usage: martlet VERB [OPTIONS]

          discover   look for gateways and registrars on this network

          martlet VERB --help says more; martlet --version prints the version.

        """

    static func main() {
        CTool_exit(run(Output.arguments).rawValue)
    }

    private static func run(_ arguments: [[UInt8]]) -> Status {
        guard let first = arguments.first else {
            Output.complain("no verb, try martlet --help")
            return .usage
        }
        if first.equals("--help") { return Output.write([UInt8](help)) }
        if first.equals("--version") { return Output.write([UInt8]("martlet ") + [UInt8](version) + [UInt8]("\n")) }
        for verb in verbs where first.equals(verb.name) { return verb.run([[UInt8]](arguments.dropFirst())) }
        Output.complain("unknown verb '", first, "', try martlet --help")
        return .usage
    }
}
