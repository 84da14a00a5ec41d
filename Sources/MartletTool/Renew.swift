// SPDX-License-Identifier: Apache-2.0

/// `martlet renew`
enum Renew {
    static let help: StaticString = """
        usage: martlet renew --directory DIR [--now] [--same-key] [--wait SECONDS] [--json]

        Gets the device its next certificate from the registrar (EST) that [enrolment] in DIR/martlet.conf names, for a new
        key, which the old one announces to the back end. The new credential takes the place of the old one only after the
        broker has accepted it, or, where there is no broker or it cannot be reached, the server that [https] names. The
        device takes it at its next start. It may run meanwhile; many brokers drop its connection for the try, and it comes
        back by itself.

        Renewal is due when 60 to 70 % of the certificate's time are over: let a timer run this, and restart the device when
        it ends with 0.

        Whatever cuts it short: run it again. If the certificate has ended and the registrar does not renew such ones, it
        shows the one in factory.pem instead. Without that the device needs a new label: martlet onboard then takes it in
        the same directory.

          --directory DIR  the device's directory
          --now            at once, also if it is not due
          --same-key       for the key that the device has
          --wait SECONDS   how long to wait for a registrar that says "later", 0 to 86400 (default 300)
          --json           one JSON object a line
          --help           print this and exit

        Exit status: 0 a new credential is in place, 1 registrar, broker or server refused, or what they sent was refused,
        2 wrong usage or configuration, 3 the system or the network failed, 4 the registrar has not decided yet: run it
        again, 5 it is not due.

        """

    struct Options {
        var directory: [UInt8] = []
        var isNow = false
        var keepsKey = false
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
            } else if argument.equals("--now") {
                options.isNow = true
            } else if argument.equals("--same-key") {
                options.keepsKey = true
            } else if argument.equals("--directory") {
                options.directory = rest.popValue()
            } else if argument.equals("--wait") {
                guard let seconds = rest.popFirst()?.number, seconds <= 86_400 else {
                    Output.complain("--wait needs a number of seconds behind it, 0 to 86400")
                    return .usage
                }
                options.wait = seconds
            } else {
                Output.complain("unknown argument '", argument, "', try martlet renew --help")
                return .usage
            }
        }
        guard !options.directory.isEmpty else {
            Output.complain("--directory needs a path behind it, and must be there")
            return .usage
        }
        do throws(Failure) { return try Renewer(options).run() } catch {
            Output.complain(error)
            return error.status
        }
    }
}
