// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletCurl
import MartletHTTPS
import MartletOpenSSL

// HTTPS as a process of its own, for tests of what its environment may change: HTTPSProgram ANCHOR URL [BYTES].
// It makes one request, a POST if BYTES says of how many, and prints what came of it, and before and after whether
// libcurl is in memory; at last the most memory that it ever had.

// What started it may ignore the signal, which a program inherits.
signal(SIGPIPE, SIG_DFL)

func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

func sayMapped(_ when: String) throws {
    // The kernel gives it in pieces, and tells no size.
    let maps = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/maps")).readToEnd() ?? Data()
    say("\(when): \(String(decoding: maps, as: UTF8.self).contains("libcurl.so") ? "libcurl is mapped" : "no libcurl")")
}

let arguments = CommandLine.arguments
let pem = try [UInt8](Data(contentsOf: URL(filePath: arguments[1])))
let anchors = try Certificate.all(inPEM: pem.span)
let url = try HTTPSURL(arguments[2])
let tls = try TLSContext(serverName: url.host, anchors: anchors)
let body = arguments.dropFirst(3).first.flatMap { Int($0) }.map {
    HTTPSBody(contentType: "text/plain", bytes: [UInt8](repeating: 0x78, count: $0))
}
try sayMapped("before")
do throws(HTTPSError) {
    let https = try VerifiedHTTPS(tls: tls, cancellation: HTTPSCancellation())
    do throws(HTTPSFailure) {
        let request = HTTPSRequest(
            url: url, headers: [HTTPSHeader(name: "X-Secret", value: Array("secret".utf8))], body: body)
        let response = try https.perform(
            request, time: Int64(Date().timeIntervalSince1970), boottime: 0, acceptNotYetValid: false)
        say("status \(response.status), \(response.body.count) bytes")
    } catch {
        say("failed: \(error)")
    }
} catch {
    say("no HTTPS: \(error): \(error.text)")
}
try sayMapped("after")
let status = try FileHandle(forReadingFrom: URL(filePath: "/proc/self/status")).readToEnd() ?? Data()
let peak = String(decoding: status, as: UTF8.self).firstMatch(of: #/VmHWM:\s*([0-9]+) kB/#).map { String($0.1) }
say("peak: \(peak ?? "unknown") kB")
