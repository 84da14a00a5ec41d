// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletOpenSSL

/// The files below Tests/Vectors, and the two published keys that sign them.
public enum Vectors {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Vectors")

    public static func data(_ path: String) throws -> Data { try Data(contentsOf: folder.appending(path: path)) }

    /// A file of hex digits.
    public static func hex(_ path: String) throws -> [UInt8] {
        bytes(hex: String(decoding: try data(path), as: UTF8.self))
    }

    /// Names of the files in a folder, sorted.
    public static func files(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: path).path).sorted()
    }

    /// The key of RFC 8032 section 7.1, TEST 1.
    public static func ed25519() throws -> PrivateKey {
        let seed = bytes(hex: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        return try key("PRIVATE KEY", bytes(hex: "302e020100300506032b657004220420") + seed)
    }

    /// The key "11" of github.com/cose-wg/Examples.
    public static func p256() throws -> PrivateKey {
        try p256(
            d: bytes(hex: "57c92077664146e876760c9520d054aa93c3afb04e306705db6090308507b4d3"),
            x: bytes(hex: "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"),
            y: bytes(hex: "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"))
    }

    /// A P-256 key as RFC 5915 writes it.
    public static func p256(d: [UInt8], x: [UInt8], y: [UInt8]) throws -> PrivateKey {
        try key(
            "EC PRIVATE KEY",
            bytes(hex: "30770201010420") + d + bytes(hex: "a00a06082a8648ce3d030107a144034200 04") + x + y)
    }

    private static func key(_ label: String, _ der: [UInt8]) throws -> PrivateKey {
        let pem = "-----BEGIN \(label)-----\n\(Data(der).base64EncodedString())\n-----END \(label)-----\n"
        return try PrivateKey(pem: Array(pem.utf8).span)
    }
}

/// Hex digits, with white space where that reads better.
public func bytes(hex: String) -> [UInt8] {
    let digits = hex.compactMap { $0.hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}

public func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}
