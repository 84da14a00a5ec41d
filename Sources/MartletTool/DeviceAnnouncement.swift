// SPDX-License-Identifier: Apache-2.0

import CTool
import MartletAnnouncer
import MartletDiscovery
import MartletEnrolment
import MartletPosix

/// One run of `martlet announce`.
struct DeviceAnnouncement {
    /// Milliseconds from one look at the directory to the next.
    private static let pace: UInt64 = 2000

    private let directory: [UInt8]
    private let end: UInt64
    private var device: AnnouncedDevice

    init(_ device: AnnouncedDevice, _ options: Announce.Options) {
        self.device = device
        directory = options.directory
        end = options.seconds.map { SystemClock.bootMilliseconds() + UInt64($0) * 1000 } ?? .max
    }

    mutating func run() throws(Failure) {
        CTool_catch_end()
        // An id has no characters that a path could take for something else.
        let file = [UInt8]("martlet-") + device.id
        guard let state = try state() else {
            // What a run left that was killed.
            try announcing { () throws(AnnouncerError) in try Announcer.forget(file: file) }
            return tell("onboarded", "the device has its certificate")
        }
        device.state = state
        let announcement = device.announcement
        var announcer = try announcing { () throws(AnnouncerError) in try Announcer([announcement], file: file) }
        if let path = announcer.avahiFile {
            tell("avahi", "avahi-daemon announces the device, as this file says:", path)
        }
        let reason: Failure?
        do throws(Failure) {
            try run(&announcer)
            reason = nil
        } catch { reason = error }
        try announcing { () throws(AnnouncerError) in try announcer.end() }
        if let reason { throw reason }
    }

    private mutating func run(_ announcer: inout Announcer) throws(Failure) {
        var nextLook = SystemClock.bootMilliseconds() + Self.pace
        var isTold = false
        while !CTool_is_ending() {
            let now = SystemClock.bootMilliseconds()
            if now >= end { return tell("over", "the time is over") }
            if now >= nextLook {
                guard let state = try state() else { return tell("onboarded", "the device has its certificate") }
                device.state = state
                let announcement = device.announcement
                try announcing { () throws(AnnouncerError) in try announcer.set([announcement], now: now) }
                nextLook = now + Self.pace
            }
            let until = min(nextLook, end)
            try announcing { () throws(AnnouncerError) in try announcer.step(until: until) }
            if announcer.isAnnounced, !isTold {
                tell("announced", "the device can be found as", device.id + [UInt8]("._martlet._udp.local"))
                isTold = true
            }
        }
    }

    private func announcing<Result>(_ body: () throws(AnnouncerError) -> Result) throws(Failure) -> Result {
        do throws(AnnouncerError) { return try body() } catch { throw Failure(error) }
    }

    /// Nil as soon as there is a certificate.
    private func state() throws(Failure) -> AnnouncedDevice.State? {
        if try isThere(DeviceFiles.credential) { return nil }
        return try isThere(DeviceFiles.pendingKey) ? .pending : .factory
    }

    private func isThere(_ name: String) throws(Failure) -> Bool {
        let path = directory + [UInt8(ascii: "/")] + Array(name.utf8)
        do throws(PosixError) { return try PublicFile.exists(String(decoding: path, as: UTF8.self)) } catch {
            throw Failure(path, error)
        }
    }

    private func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
        Output.tell(step, text, detail, isJSON: false)
    }
}

extension Failure {
    fileprivate init(_ error: AnnouncerError) {
        switch error {
        case .portTaken:
            self.init(
                .system, "another program answers multicast DNS here (it has UDP port 5353), and it is not ",
                [UInt8]("avahi-daemon"), ": stop it, or let it announce the device")
        case .notWritten(let path, let reason):
            self.init(
                .system, "avahi-daemon has the network, and its file could not be written: ",
                path + [UInt8](": ") + reason.text, " (run this as root, or write the file yourself)")
        case .notRemoved(let path, let reason): self.init(path, reason)
        case .nameTaken(let name):
            self.init(
                .system, "somebody else on this network has the name ", name,
                ": no two devices may have the same id")
        case .network(let reason): self.init(.system, "multicast DNS: ", reason.text)
        }
    }
}
