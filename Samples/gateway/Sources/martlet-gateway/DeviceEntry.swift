// SPDX-License-Identifier: Apache-2.0

import MartletController

/// What the registry says about a device.
struct DeviceEntry: Equatable, Sendable {
    enum State: String, Sendable {
        /// It may enrol.
        case invited
        /// It asked, and waits until it is approved.
        case pending
        /// It has a certificate.
        case active
        /// It may neither enrol nor renew, nor use the broker, until it is activated again.
        case suspended
        /// The same for good.
        case retired

        var isBarred: Bool { self == .suspended || self == .retired }
    }

    var state: State
    /// The one URI of its certificates.
    let urn: String
    var invitation: Invitation?
    /// The newest one, in DER.
    var certificate: [UInt8]?
    /// SHA-256 of the certificate that was renewed last: the answer may not have arrived, so it may renew again.
    var predecessor: [UInt8]?

    init(state: State, urn: String, invitation: Invitation? = nil, certificate: [UInt8]? = nil) {
        self.state = state
        self.urn = urn
        self.invitation = invitation
        self.certificate = certificate
    }
}

/// Lets a device enrol once, with a token that only its hash is kept of, or with its factory certificate.
struct Invitation: Equatable, Sendable {
    static let maximumWrongTries: UInt64 = 10

    /// Whether there were too many wrong tokens.
    var isVoid: Bool { wrongTries >= Self.maximumWrongTries }

    /// SHA-256 of the token; nil: the factory certificate is needed instead.
    let token: [UInt8]?
    /// Seconds since 1970.
    let expires: Int64
    var wrongTries: UInt64 = 0
    /// Whether it is for somebody to approve.
    var waitsForApproval = false
    /// SHA-256 of the key that the token was used with: it is good for no other.
    var key: [UInt8]?
    /// Whether a certificate was issued. It is given again for the same key, since the answer may not have arrived.
    var isUsed = false
}

/// The file of a device: lines of a name and a value, between one that says what it is and one that says that it is whole.
extension DeviceEntry {
    static let maximumSize = 8192
    private static let head = "martlet-device 1"
    private static let end = "end\n"

    var text: String {
        var lines = [Self.head, "state \(state.rawValue)", "urn \(urn)"]
        if let invitation {
            lines.append(invitation.token.map { "token \(hex($0))" } ?? "factory yes")
            lines.append("expires \(invitation.expires)")
            lines.append("wrong-tries \(invitation.wrongTries)")
            if invitation.waitsForApproval { lines.append("approval awaited") }
            if let key = invitation.key { lines.append("key \(hex(key))") }
            if invitation.isUsed { lines.append("token-used yes") }
        }
        if let certificate { lines.append("certificate \(hex(certificate))") }
        if let predecessor { lines.append("predecessor \(hex(predecessor))") }
        return lines.joined(separator: "\n") + "\n\(Self.end)"
    }

    /// nil if it is damaged, or of another version.
    init?(text: String) {
        guard text.hasSuffix("\n" + Self.end) else { return nil }
        let lines = text.dropLast(Self.end.count + 1).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first == Self.head[...] else { return nil }
        var values: [Substring: Substring] = [:]
        for line in lines.dropFirst() {
            guard let space = line.firstIndex(of: " "),
                values.updateValue(line[line.index(after: space)...], forKey: line[..<space]) == nil
            else { return nil }
        }
        guard let state = values.removeValue(forKey: "state").flatMap({ State(rawValue: String($0)) }),
            let urn = values.removeValue(forKey: "urn"), DeviceURN.isValid(String(urn))
        else { return nil }
        self.init(state: state, urn: String(urn))
        let (token, factory) = (values.removeValue(forKey: "token"), values.removeValue(forKey: "factory"))
        if token != nil || factory != nil {
            let digest = token.flatMap { bytes(hex: $0) }
            guard factory == nil ? digest?.count == 32 : factory == "yes" && token == nil,
                let expires = values.removeValue(forKey: "expires").flatMap({ Int64($0) }),
                let wrongTries = values.removeValue(forKey: "wrong-tries").flatMap({ UInt64($0) })
            else { return nil }
            var invitation = Invitation(token: digest, expires: expires, wrongTries: wrongTries)
            if let approval = values.removeValue(forKey: "approval") {
                guard approval == "awaited" else { return nil }
                invitation.waitsForApproval = true
            }
            if let used = values.removeValue(forKey: "token-used") {
                guard used == "yes" else { return nil }
                invitation.isUsed = true
            }
            if let key = values.removeValue(forKey: "key") {
                guard let key = bytes(hex: key), key.count == 32 else { return nil }
                invitation.key = key
            }
            self.invitation = invitation
        }
        if let text = values.removeValue(forKey: "certificate") {
            guard let der = bytes(hex: text), (try? Certificate(der: der.span)) != nil else { return nil }
            certificate = der
        }
        if let text = values.removeValue(forKey: "predecessor") {
            guard let digest = bytes(hex: text), digest.count == 32 else { return nil }
            predecessor = digest
        }
        guard values.isEmpty else { return nil }
    }
}
