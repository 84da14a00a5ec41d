// SPDX-License-Identifier: Apache-2.0

import MartletDNS
import MartletDiscovery
import MartletPosix

/// `martlet discover`
enum Discover {
    static let help: StaticString = """
        usage: martlet discover [--for SECONDS] [--json]

        Asks this machine's networks by multicast DNS for gateways (_secure-mqtt._tcp) and registrars
        (_brski-registrar._tcp), and prints who answered.

        What is found is untrusted: anybody on the network can announce anything. Nothing is configured by it.

          --for SECONDS  how long to wait for answers, 1 to 300 (default 5)
          --json         one JSON object a line instead of a table
          --help         print this and exit

        Exit status: 0 something was found, 1 nothing was, 2 wrong usage, 3 the system refused, or there is no network.

        """

    static let nothing: StaticString = """
        nothing was found. Is the gateway on the same network segment (multicast does not pass routers)? Do firewalls \
        let UDP port 5353 pass, both ways? Otherwise configure its address instead.
        """

    static func run(_ arguments: [[UInt8]]) -> Status {
        var seconds: UInt64 = 5
        var isJSON = false
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                return Output.write([UInt8](help))
            } else if argument.equals("--json") {
                isJSON = true
            } else if argument.equals("--for") {
                guard let value = rest.popFirst()?.number, (1...300).contains(value) else {
                    Output.complain("--for needs a number of seconds behind it, 1 to 300")
                    return .usage
                }
                seconds = UInt64(value)
            } else {
                Output.complain("unknown argument '", argument, "', try martlet discover --help")
                return .usage
            }
        }
        do throws(PosixError) {
            let services = try find(ServiceKind.allCases, seconds)
            if services.isEmpty {
                Output.complain(nothing)
                return .negative
            }
            return Output.write(isJSON ? json(services) : table(services))
        } catch {
            Output.complain("multicast DNS: ", error.text)
            return .system
        }
    }

    /// What answers within so many seconds.
    static func find(_ kinds: [ServiceKind], _ seconds: UInt64) throws(PosixError) -> [FoundService] {
        let socket = try MulticastSocket(.asking)
        var now = SystemClock.bootMilliseconds()
        let end = now + seconds * 1000
        var browser = ServiceBrowser(kinds, id: try randomUInt16(), now: now)
        var buffer = [UInt8](repeating: 0, count: DNSMessage.limit)
        var hasSent = false
        while now < end {
            while let query = browser.query(now: now) {
                do throws(PosixError) {
                    try socket.send(query.span)
                    hasSent = true
                } catch {
                    // Once it worked, an interface that comes and goes is no reason to forget what was found.
                    if !hasSent { throw error }
                }
            }
            let wait = min(browser.nextQuery, end) - now
            if let arrival = try socket.receive(into: &buffer, milliseconds: wait) {
                let packet = buffer.span.extracting(first: arrival.count)
                // What is no DNS message is not for us.
                _ = try? browser.receive(
                    packet, port: arrival.port, isOnLink: arrival.isOnLink, interface: arrival.interface,
                    now: SystemClock.bootMilliseconds())
            }
            now = SystemClock.bootMilliseconds()
        }
        return browser.services
    }
}
