// SPDX-License-Identifier: Apache-2.0

import CAgent
import Martlet
import Synchronization

/// What commands ask of the main loop. Their handlers run on a thread of the library.
final class Requests: Sendable {
    private let interval = Atomic<Int>(0)
    private let readNow = Atomic<Bool>(false)
    /// One more than the level's number; 0: no request.
    private let logLevel = Atomic<Int>(0)
    /// Becomes readable when there is a request.
    let descriptor: Int32

    /// Throws if the system has no descriptor left.
    init() throws(SystemError) {
        descriptor = CAgent_event()
        if descriptor < 0 { throw SystemError(code: -descriptor) }
    }

    func setInterval(_ seconds: Int64) {
        interval.store(Int(seconds), ordering: .releasing)
        CAgent_event_signal(descriptor)
    }

    func setReadNow() {
        readNow.store(true, ordering: .releasing)
        CAgent_event_signal(descriptor)
    }

    func setLogLevel(_ level: LogLevel) {
        logLevel.store(Int(level.rawValue) + 1, ordering: .releasing)
        CAgent_event_signal(descriptor)
    }

    struct Taken {
        /// Seconds.
        let interval: Int64?
        let readNow: Bool
        let logLevel: LogLevel?
    }

    /// Takes what was asked since the last time.
    func take() -> Taken {
        CAgent_event_clear(descriptor)
        let seconds = interval.exchange(0, ordering: .acquiring)
        let level = logLevel.exchange(0, ordering: .acquiring)
        return Taken(
            interval: seconds == 0 ? nil : Int64(seconds), readNow: readNow.exchange(false, ordering: .acquiring),
            logLevel: level == 0 ? nil : LogLevel(rawValue: UInt8(clamping: level - 1)))
    }
}

/// The commands of the agent.
enum Commands {
    static func declare(
        on device: Device, requests: Requests, log: Log
    ) throws(MartletError) {
        try device.onCommand("set-interval", .integer(Configuration.intervals)) { call in
            requests.setInterval(call.integer(0))
            var text = Text("the interval is now ")
            text.add(Double(call.integer(0)))
            text.add(" s")
            log.write(.info, text)
            return .done
        }
        try device.onCommand("read-now") { _ in
            requests.setReadNow()
            return .done
        }
        try device.onCommand("log-level", .choice(LogLevel.allCases.map { $0.name })) { call in
            let name = call.text(0).bytes
            guard let level = LogLevel.allCases.first(where: { name.equals($0.name) }) else { return .failed }
            requests.setLogLevel(level)
            return .done
        }
        try device.onCommand("identify") { _ in
            log.write(.warning, Text("somebody asks which device this is: it is this one"))
            return .doneWith([.text(Agent.version.bytes), .text(model()), .integer(System.uptime / 1000)])
        }
    }

    /// What the board's firmware calls it; the kernel's name of the machine where there is no device tree.
    private static func model() -> [UInt8] {
        for path: StaticString in ["/proc/device-tree/model", "/sys/class/dmi/id/product_name"] {
            if let name = try? System.read(Path(path.bytes), limit: 128) {
                return name.filter { $0 >= 0x20 && $0 < 0x7f }
            }
        }
        return "unknown".bytes
    }
}
