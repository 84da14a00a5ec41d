// SPDX-License-Identifier: Apache-2.0

import CTool
import Martlet
import MartletPosix

/// What a shell gets.
enum Status: Int32 {
    case success = 0
    /// Nothing was found, or somebody said no.
    case negative = 1
    case usage = 2
    case system = 3
    /// It takes longer: to be run again.
    case pending = 4
    /// There is nothing to do, or not yet.
    case nothingToDo = 5
}

/// Why a verb ended, for the person who ran it: what, where, what to do. `detail` may come from outside; it is no secret.
struct Failure: Error {
    var status: Status
    let before: StaticString
    let detail: [UInt8]
    let after: StaticString
    /// A broker had accepted the connection before it was lost.
    var wasAccepted = false

    init(_ status: Status, _ before: StaticString, _ detail: [UInt8] = [], _ after: StaticString = "") {
        self.status = status
        self.before = before
        self.detail = detail
        self.after = after
    }

    /// The whole of it.
    var text: [UInt8] { [UInt8](before) + detail + [UInt8](after) }

    init(_ path: [UInt8], _ error: PosixError) {
        self.init(.system, "", path + [UInt8](": ") + error.text)
    }

    /// What the library says about a device's files.
    init(_ error: MartletError) {
        let status: Status
        switch error.code {
        case .configuration, .identity, .argument: status = .usage
        default: status = .system
        }
        self.init(status, "", Array(error.message.utf8))
    }
}

/// A first argument, and what does it with the others.
struct Verb {
    let name: StaticString
    let run: ([[UInt8]]) -> Status
}

@main struct Tool {
    private static var verbs: [Verb] {
        [
            Verb(name: "discover", run: Discover.run), Verb(name: "onboard", run: Onboard.run),
            Verb(name: "status", run: DeviceStatus.run), Verb(name: "renew", run: Renew.run),
            Verb(name: "retire", run: Retire.run), Verb(name: "announce", run: Announce.run),
        ]
    }

    static let help: StaticString = """
        usage: martlet VERB [OPTIONS]

          discover   look for gateways and registrars on this network
          onboard    get this device its first certificate, as its label says
          status     say what this device has, and whether that is in order
          renew      get this device its next certificate, in time
          retire     end this device's life for its owner: say so, and erase what it has
          announce   let this device be found on its networks until it has its certificate

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
        // A path becomes a String, which would be that of another file.
        guard arguments.allSatisfy({ String(decoding: $0, as: UTF8.self).utf8.elementsEqual($0) }) else {
            Output.complain("an argument is not UTF-8, as a path has to be")
            return .usage
        }
        if first.equals("--help") { return Output.write([UInt8](help)) }
        if first.equals("--version") {
            return Output.write([UInt8]("martlet ") + [UInt8](MartletVersion.string) + [UInt8]("\n"))
        }
        for verb in verbs where first.equals(verb.name) { return verb.run([[UInt8]](arguments.dropFirst())) }
        // A label in its place is a secret.
        Output.complain("unknown verb '", first.starts(with: "martlet:".utf8) ? [] : first, "', try martlet --help")
        return .usage
    }
}
