// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletDiscovery

/// `martlet announce`
enum Announce {
    static let help: StaticString = """
        usage: martlet announce --directory DIR --id ID [--model TEXT] [--for SECONDS]

        Lets this device be found on its networks (multicast DNS, _martlet._udp) as long as it has no certificate: until
        device.pem is in the directory. Whoever listens there gets the id, the model, whether somebody is onboarding it,
        and the version of this program; nothing is offered, and nobody can connect. No other verb listens on a port.

        Where avahi-daemon runs, it announces the device, as a file in /etc/avahi/services says. Where nobody has UDP port
        5353, this program takes it for itself: start it after avahi-daemon if there is one. An id that somebody else
        on the network has ends it.

          --directory DIR  of martlet onboard; it need not be there yet
          --id ID          the device's id, at most 63 characters
          --model TEXT     what kind of device it is: 1 to 64 printable ASCII characters
          --for SECONDS    how long at most, 1 to 86400 (default: no end)
          --help           print this and exit

        Exit status: 0 the device has its certificate, the time is over or it was told to end (SIGTERM), 2 wrong usage, 3
        the system refused, or somebody else has the port or the name.

        """

    struct Options {
        var directory: [UInt8] = []
        var id: [UInt8] = []
        var model: [UInt8]?
        /// nil: without end.
        var seconds: UInt32?
    }

    static func run(_ arguments: [[UInt8]]) -> Status {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                return Output.write([UInt8](help))
            } else if argument.equals("--directory") {
                options.directory = rest.popValue()
            } else if argument.equals("--id") {
                options.id = rest.popValue()
            } else if argument.equals("--model") {
                options.model = rest.popValue()
            } else if argument.equals("--for") {
                guard let seconds = rest.popFirst()?.number, (1...86_400).contains(seconds) else {
                    Output.complain("--for needs a number of seconds behind it, 1 to 86400")
                    return .usage
                }
                options.seconds = seconds
            } else {
                // Not shown: it may be a label.
                Output.complain("unknown argument, try martlet announce --help")
                return .usage
            }
        }
        guard !options.directory.isEmpty else {
            Output.complain("--directory is missing, or needs a path behind it")
            return .usage
        }
        guard let device = AnnouncedDevice(id: options.id, model: options.model, version: MartletVersion.string) else {
            Output.complain(
                """
                --id needs 1 to 63 letters, digits, dots, underscores and hyphens behind it, a letter or digit first; --model \
                1 to 64 printable ASCII characters
                """)
            return .usage
        }
        do throws(Failure) {
            var announcement = DeviceAnnouncement(device, options)
            try announcement.run()
            return .success
        } catch {
            Output.complain(error)
            return error.status
        }
    }
}
