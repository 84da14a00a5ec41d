// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

/// The device that a verb is about.
struct DeviceArgument: ParsableArguments {
    @Argument(help: "The device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit.")
    var id: String

    func validate() throws {
        guard DeviceID.isValid(Array(id.utf8).span) else {
            throw ValidationError(
                "'\(printable(id))' is not a device id: 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit."
            )
        }
        if Party.isReserved(id) {
            throw ValidationError("'\(id)' is the name of a part of the back end: no device may bear it.")
        }
    }
}

/// What a new device is told of itself and of the broker.
struct DeviceOptions: ParsableArguments {
    @Option(help: "The device's URN, e.g. urn:dev:mac:0024befffe804ff1; default: one with random local digits.")
    var urn: String?

    @Option(help: "The name or address that the device reaches the broker by; the broker's certificate must bear it.")
    var host = "localhost"

    @Option(help: "The broker's port; default: that of the last run.")
    var port: UInt16?

    func validate() throws {
        try HostArgument.validate(host)
        if let urn { try DeviceURN.validate(urn) }
        if port == 0 { throw ValidationError("--port is from 1 to 65535.") }
    }
}

/// Names and addresses that devices reach a server by.
enum HostArgument {
    static func validate(_ host: String) throws {
        // A label cannot say a name that begins so.
        guard TLSContext.isServerName(host), !host.hasPrefix("-") else {
            throw ValidationError("'\(printable(host))' is neither a DNS name nor an IP address.")
        }
    }
}

/// The URN of a device (RFC 9039).
enum DeviceURN {
    static func isValid(_ urn: String) -> Bool {
        PartyName.isValid(Array(urn.utf8).span) && urn.utf8.starts(with: "urn:dev:".utf8)
    }

    static func validate(_ urn: String) throws {
        if !isValid(urn) {
            throw ValidationError("'\(printable(urn))' is not a device's URN: urn:dev:… of visible ASCII, RFC 9039.")
        }
    }

    /// One of a made-up address (§4.1): unicast, locally administered.
    static func random() throws(Failure) -> String {
        let bytes = try issue("a URN") { () throws(OpenSSLError) -> InlineArray<6, UInt8> in try Random.bytes() }
        let octets = [bytes[0] & 0xfc | 0x02, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]]
        return "urn:dev:mac:" + hex(octets)
    }
}
