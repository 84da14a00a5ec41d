// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletCOSE
import MartletEnrolment
import MartletOpenSSL

/// `martlet status`
enum DeviceStatus {
    static let help: StaticString = """
        usage: martlet status --directory DIR [--json]

        Says what the device in this directory has, how long that is good, and what is wrong with it. Changes nothing, and
        shows no secret; the device may run.

          factory    there is nothing of a device yet
          pending    onboarding was begun: run martlet onboard again
          onboarded  in order
          renewing   in order, and the next certificate is on its way
          expired    the certificate has ended: martlet renew may help, otherwise a new label and martlet onboard
          retiring   retirement was begun: run martlet retire again
          damaged    a device does not start with this, and here is why

        What is said of the key is the beginning of the hash that martlet-gateway shows for the same key.

          --directory DIR  where martlet.conf is
          --json           one JSON object
          --help           print this and exit

        Exit status: 0 the device is onboarded and its certificate good, 1 it is not, 2 wrong usage, 3 the system failed.

        """

    static func run(_ arguments: [[UInt8]]) -> Status {
        var directory: [UInt8] = []
        var isJSON = false
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                return Output.write([UInt8](help))
            } else if argument.equals("--json") {
                isJSON = true
            } else if argument.equals("--directory") {
                directory = rest.popValue()
            } else {
                Output.complain("unknown argument '", argument, "', try martlet status --help")
                return .usage
            }
        }
        guard !directory.isEmpty else {
            Output.complain("--directory needs a path behind it, and must be there")
            return .usage
        }
        do throws(Failure) {
            let report = try DeviceReport(directory, time: Registrar.time)
            let status = Output.write(isJSON ? json(report) : table(report))
            return status == .success && !report.isGood ? .negative : status
        } catch {
            Output.complain(error)
            return error.status
        }
    }

    /// Nothing stands behind a name that is not known.
    private static func lines(_ report: DeviceReport) -> [(name: StaticString, text: [UInt8])] {
        var lines: [(name: StaticString, text: [UInt8])] = [("state", [UInt8](report.state.text))]
        if let configuration = report.configuration {
            lines.append(("id", configuration.id))
        }
        if let leaf = report.leaf {
            lines.append(("name", leaf.uris.first ?? []))
            lines.append(("begins", [UInt8](date: leaf.notBefore)))
            lines.append(("ends", [UInt8](date: leaf.notAfter)))
            if let fingerprint = try? leaf.sha256 {
                let due = RenewalTime.due(
                    notBefore: leaf.notBefore, notAfter: leaf.notAfter, fingerprint: Digest(fingerprint))
                lines.append(("renewal", [UInt8](date: due)))
            }
        }
        if let key = report.key { lines.append(("key", hex(key, count: 8))) }
        if let configuration = report.configuration {
            lines.append(("broker", broker(configuration)))
            if let registrar = report.registrar { lines.append(("registrar", registrar)) }
            lines.append(("root", hex(configuration.root, count: 32)))
        }
        return lines
    }

    private static func table(_ report: DeviceReport) -> [UInt8] {
        var text: [UInt8] = []
        func add(_ name: StaticString, _ value: [UInt8]) {
            text.add(name)
            text.add(":")
            for _ in name.utf8CodeUnitCount..<11 { text.add(" ") }
            text.add(escaping: value)
            text.add("\n")
        }
        for line in lines(report) { add(line.name, line.text) }
        for authority in report.anchors {
            add("authority", (authority.commonName ?? []) + [UInt8](", ends ") + [UInt8](date: authority.notAfter))
        }
        add("running", [UInt8](report.isRunning ? "yes" : "no"))
        for problem in report.problems { add("problem", problem) }
        return text
    }

    private static func json(_ report: DeviceReport) -> [UInt8] {
        var text: [UInt8] = []
        func add(_ name: StaticString, _ value: [UInt8]) {
            text.add(quoting: [UInt8](name))
            text.add(":")
            var safe: [UInt8] = []
            safe.add(escaping: value)
            text.add(quoting: safe)
        }
        text.add("{")
        for line in lines(report) {
            add(line.name, line.text)
            text.add(",")
        }
        text.add("\"authorities\":[")
        for index in report.anchors.indices {
            text.add(index == 0 ? "{" : ",{")
            add("name", report.anchors[index].commonName ?? [])
            text.add(",")
            add("ends", [UInt8](date: report.anchors[index].notAfter))
            text.add("}")
        }
        text.add(report.isRunning ? "],\"running\":true,\"problems\":[" : "],\"running\":false,\"problems\":[")
        for index in report.problems.indices {
            if index > 0 { text.add(",") }
            var safe: [UInt8] = []
            safe.add(escaping: report.problems[index])
            text.add(quoting: safe)
        }
        text.add("]}\n")
        return text
    }

    private static func broker(_ configuration: Configuration) -> [UInt8] {
        if configuration.host.isEmpty { return [UInt8]("-") }
        var text = Array(configuration.host.utf8)
        if text.contains(UInt8(ascii: ":")) { text = [UInt8]("[") + text + [UInt8]("]") }
        text.add(":")
        text.add(configuration.port)
        return text
    }

    private static func hex(_ digest: Digest, count: Int) -> [UInt8] {
        var text: [UInt8] = []
        text.add(hex: (0..<count).map { digest.bytes[$0] })
        return text
    }
}
