// SPDX-License-Identifier: Apache-2.0

/// `martlet onboard`
enum Onboard {
    static let help: StaticString = """
        usage: martlet onboard --directory DIR [--label FILE] [--wait SECONDS] [--json]

        Makes a key, has it certified by the registrar (EST), and writes the device's configuration, all as the label says
        that the device came with: one line, martlet:ID?..., from standard input, or from its file, mostly
        /boot/martlet.uri. A label is a secret: it is shown nowhere, and its file is overwritten and removed as soon as the
        device has its certificate. While that is good, another label is not used, and its file is left alone.

        If the directory holds factory.pem (0600), the private key and the certificate that the device left the factory with,
        with the label's id as common name, the registrar is shown it as soon as it is verified: instead of a token, or beside
        it, as the registrar wants. It says nothing of whom to trust.

        If the label does not name registrar or broker, those count that announce themselves on this network, if there is
        one of each; names that end in .local need libnss-mdns.

        Whatever cuts it short: run it again, and it goes on with the same key.

          --directory DIR  where key, certificate, authorities and martlet.conf go; made 0700 if it is missing
          --label FILE     the label's file
          --wait SECONDS   how long to wait for a registrar that says "later", 0 to 86400 (default 300)
          --json           one JSON object a line
          --help           print this and exit

        Exit status: 0 the device is onboarded, 1 the registrar refused, or its answer was refused, 2 wrong usage or
        label, 3 the system or the network failed, 4 the registrar has not decided yet: run it again.

        """

    struct Options {
        var directory: [UInt8] = []
        /// The label's file; nil: standard input.
        var label: [UInt8]?
        /// Seconds.
        var wait: UInt32 = 300
        var isJSON = false
    }

    static func run(_ arguments: [[UInt8]]) -> Status {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                return Output.write([UInt8](help))
            } else if argument.equals("--json") {
                options.isJSON = true
            } else if argument.equals("--directory") {
                options.directory = rest.popValue()
            } else if argument.equals("--label") {
                options.label = rest.popValue()
            } else if argument.equals("--wait") {
                guard let seconds = rest.popFirst()?.number, seconds <= 86_400 else {
                    Output.complain("--wait needs a number of seconds behind it, 0 to 86400")
                    return .usage
                }
                options.wait = seconds
            } else {
                // Not shown: it may be a label, for which this is the wrong place.
                Output.complain("unknown argument, try martlet onboard --help; a label is never an argument")
                return .usage
            }
        }
        guard !options.directory.isEmpty, options.label?.isEmpty != true else {
            Output.complain("--directory and --label need a path behind them, and there must be a directory")
            return .usage
        }
        for path in [options.directory, options.label ?? []] where path.starts(with: "martlet:".utf8) {
            Output.complain("a label is never an argument: it is a secret; its file, or standard input, has it")
            return .usage
        }
        do throws(Failure) {
            try Onboarder(options).run()
            return .success
        } catch {
            Output.complain(error)
            return error.status
        }
    }
}
