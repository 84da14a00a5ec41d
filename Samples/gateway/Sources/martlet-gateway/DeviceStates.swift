// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MartletController

struct DeviceList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Shows all devices, their states, and when their certificates end.")

    @OptionGroup var directory: DirectoryOption

    func run() throws {
        let time = SystemClock.unixMilliseconds() / 1000
        let rows = try Registry(directory.open()).entries().map { id, entry in
            let (end, key) = try Self.certificate(entry)
            return [id, entry.state.rawValue, end, key, entry.urn, entry.invitation?.words(at: time) ?? ""]
        }
        let all = [["DEVICE", "STATE", "CERTIFICATE ENDS", "KEY", "URN", "INVITATION"]] + rows
        let widths = all[0].indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        for row in all {
            let line = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(
                separator: "  ")
            print(line[...(line.lastIndex { $0 != " " } ?? line.startIndex)])
        }
    }

    /// When the newest one ends, and the hash of its key, as `martlet status` has it.
    private static func certificate(_ entry: DeviceEntry) throws -> (end: String, key: String) {
        guard let der = entry.certificate else { return ("-", "-") }
        let certificate = try Certificate(der: der.span)
        let key = try Token.digest(certificate.publicKey.spki)
        return (timestamp(milliseconds: certificate.notAfter * 1000) ?? "-", hex(Array(key.prefix(8))))
    }
}

struct DeviceApprove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Lets a device that was invited with --approve-later have its certificate.",
        discussion: "'device list' shows when it has asked, and the hash of its key.")

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: DeviceArgument

    func run() throws {
        let time = SystemClock.unixMilliseconds() / 1000
        try Registry(directory.open()).change(device.id) { entry throws(Failure) in
            guard !entry.state.isBarred, let invitation = entry.invitation, invitation.waitsForApproval else {
                throw Failure("'\(device.id)' is \(entry.state.rawValue), and waits for no approval")
            }
            if invitation.key == nil { throw Failure("'\(device.id)' has not asked yet: there is no key to approve") }
            if invitation.isVoid || invitation.expires < time {
                throw Failure("the invitation of '\(device.id)' has ended: invite it again")
            }
            entry.invitation?.waitsForApproval = false
            entry.state = entry.certificate == nil ? .invited : .active
        }
        print("\(device.id) gets its certificate when it asks again")
    }
}

struct DeviceSuspend: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "suspend", abstract: "Bars a device from registrar and broker until it is activated again.")

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: DeviceArgument

    func run() throws {
        try Registry(directory.open()).change(device.id) { entry throws(Failure) in
            if entry.state == .retired { throw Failure("'\(device.id)' is retired, which is for good") }
            entry.state = .suspended
        }
        print("\(device.id) is suspended")
    }
}

struct DeviceActivate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "activate", abstract: "Ends a suspension.")

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: DeviceArgument

    func run() throws {
        try Registry(directory.open()).change(device.id) { entry throws(Failure) in
            if entry.state == .retired { throw Failure("'\(device.id)' is retired, which is for good") }
            if entry.state == .suspended { entry.state = entry.certificate == nil ? .invited : .active }
        }
        print("\(device.id) is no longer suspended")
    }
}

struct DeviceRetire: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Bars a device from registrar and broker for good; its id is not used again.")

    @OptionGroup var directory: DirectoryOption
    @OptionGroup var device: DeviceArgument

    func run() throws {
        try Registry(directory.open()).change(device.id) { entry throws(Failure) in entry.state = .retired }
        print("\(device.id) is retired")
    }
}

extension Invitation {
    /// For people; `time` in seconds since 1970.
    func words(at time: Int64) -> String {
        if isUsed { return "" }
        if isVoid { return "void: \(wrongTries) wrong tokens" }
        if expires < time { return "expired" }
        var text = "until \(timestamp(milliseconds: expires * 1000) ?? "-")"
        if token == nil { text += ", by its factory certificate" }
        if waitsForApproval { text += key == nil ? ", to be approved" : ", waits for approval" }
        if let key { text += ", key \(hex(Array(key.prefix(8))))" }
        return text
    }
}
