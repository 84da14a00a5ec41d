// SPDX-License-Identifier: Apache-2.0

/// What a factory-fresh device is told, as one line that also fits a QR code. The values need no escapes: names and
/// addresses as `HostArgument` takes them, hexadecimal digits, base64url.
struct Label {
    let id: String
    let registrar: String
    let registrarPort: UInt16
    let broker: String
    let brokerPort: UInt16
    /// SHA-256 of the authority's certificate, and of the key of a root, in hexadecimal.
    let authority: String
    let root: String
    /// nil: the device has a factory certificate.
    var token: String?

    var text: String {
        "martlet:\(id)?est=\(Self.address(registrar, registrarPort))&mqtt=\(Self.address(broker, brokerPort))"
            + "&ca=\(authority)&root=\(root)" + (token.map { "&token=\($0)" } ?? "")
    }

    private static func address(_ host: String, _ port: UInt16) -> String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
