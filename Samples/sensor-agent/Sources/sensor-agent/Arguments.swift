// SPDX-License-Identifier: Apache-2.0

/// What the command line asks for.
struct Arguments {
    enum Action {
        case run, once, help, version
    }

    /// What is wrong with a command line and what to do.
    struct Failure: Error {
        let text: Text
    }

    static let help: StaticString = """
        usage: sensor-agent [--config FILE] [--root DIR] [--once]

        Reads the sensors of this machine at a fixed interval and reports them, signed, to its back end.

          --config FILE  configuration (default /etc/martlet/martlet.conf)
          --once         print the readings as a table and exit; without --config no configuration is read
          --root DIR     read sensors below DIR instead of /, for example /host in a container
          --help         print this and exit
          --version      print the version and exit

        Exit status: 0 success, 1 failure at run time, 2 wrong usage or configuration.

        """

    private(set) var action = Action.run
    /// Nil: the default.
    private(set) var configuration: Path?
    private(set) var root = Path([])

    /// `arguments` are those behind the program's name.
    init(_ arguments: [[UInt8]]) throws(Failure) {
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                action = .help
                return
            } else if argument.equals("--version") {
                action = .version
                return
            } else if argument.equals("--once") {
                action = .once
            } else if argument.equals("--config") {
                configuration = Path(try Self.value(of: "--config", &rest))
            } else if argument.equals("--root") {
                root = Path(try Self.value(of: "--root", &rest))
            } else {
                var text = Text("unknown argument '")
                text.add(quoting: argument)
                text.add("', try sensor-agent --help")
                throw Failure(text: text)
            }
        }
    }

    private static func value(of option: StaticString, _ rest: inout ArraySlice<[UInt8]>) throws(Failure) -> [UInt8] {
        let dash = UInt8(ascii: "-")
        guard let value = rest.popFirst(), !value.isEmpty, value.count < 2 || value[0] != dash || value[1] != dash
        else {
            var text = Text(option)
            text.add(" needs a path behind it, try sensor-agent --help")
            throw Failure(text: text)
        }
        return value
    }
}
