// SPDX-License-Identifier: Apache-2.0

import Glibc
import Logging
import MartletAnnouncer
import MartletController
import Synchronization

/// Lets broker and registrar be found on the networks that they listen on, on a thread of its own.
final class NetworkAnnouncement: @unchecked Sendable {  // `announcer` is the thread's alone until that was joined
    /// Milliseconds from one look at the end to the next.
    private static let pace: UInt64 = 200
    /// No device that announces itself has a file of this name: theirs begin with `martlet-`.
    private static let file = Array("martlet.gateway".utf8)

    private let host: String
    private var announcer: Announcer
    private let isEnding = Mutex(false)
    private var thread: Thread?

    /// Begins. Whatever comes in between later is told, and ends nothing but this.
    init(listen: String, broker: UInt16, registrar: UInt16?) throws(Failure) {
        host = try Self.host()
        let services = Self.services(host: host, broker: broker, registrar: registrar)
        guard !services.isEmpty else {
            throw Failure(
                "this machine's name, '\(host)', cannot be announced: it needs 1 to 63 letters, digits and hyphens")
        }
        do throws(AnnouncerError) {
            announcer = try Announcer(services, file: Self.file) { ListenAddress.reaches(listen, $0) }
        } catch { throw Failure("--announce: \(Self.text(error))") }
        if let path = announcer.avahiFile {
            Logger.gateway.info("avahi-daemon announces it, as \(String(decoding: path, as: UTF8.self)) says")
        }
        do throws(Failure) {
            thread = try at("a thread") { () throws(PosixError) in try Thread { [unowned self] in run() } }
        } catch {
            stop()
            throw error
        }
    }

    /// What is announced; none if that is no name.
    static func services(host: String, broker: UInt16, registrar: UInt16?) -> [Announcement] {
        let name = Array(host.utf8)
        let services = [
            Announcement(.gateway, host: name, port: broker),
            registrar.flatMap { Announcement(.registrar, host: name, port: $0, path: Array("/.well-known/est".utf8)) },
        ]
        return services.compactMap { $0 }
    }

    /// Takes the announcement back.
    func stop() {
        isEnding.withLock { $0 = true }
        thread?.join()
        thread = nil
        do throws(AnnouncerError) { try announcer.end() } catch { warn(error) }
    }

    private func run() {
        var isTold = false
        while !isEnding.withLock({ $0 }) {
            do throws(AnnouncerError) {
                try announcer.step(until: SystemClock.bootMilliseconds() + Self.pace)
            } catch { return warn(error) }
            if announcer.isAnnounced, !isTold {
                Logger.gateway.info("it can be found as \(host).local")
                isTold = true
            }
        }
    }

    private func warn(_ error: AnnouncerError) { Logger.gateway.warning("not announced: \(Self.text(error))") }

    /// The first label of this machine's name.
    private static func host() throws(Failure) -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else {
            throw Failure("gethostname: \(String(cString: strerror(errno)))")
        }
        let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: ".") }, as: UTF8.self)
    }

    private static func text(_ error: AnnouncerError) -> String {
        switch error {
        case .portTaken:
            "another program answers multicast DNS here (it has UDP port 5353), and it is not avahi-daemon"
        case .notWritten(let path, let reason):
            "avahi-daemon has the network, and \(String(decoding: path, as: UTF8.self)) could not be written: "
                + "\(reason.words) (run this as root, or write the file yourself)"
        case .notRemoved(let path, let reason): "\(String(decoding: path, as: UTF8.self)) is left: \(reason.words)"
        case .nameTaken(let name):
            "somebody else on this network has the name \(String(decoding: name, as: UTF8.self))"
        case .network(let reason): "multicast DNS: \(reason.words)"
        }
    }
}
