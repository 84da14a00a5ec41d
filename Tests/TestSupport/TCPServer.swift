// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A server that knows nothing of TLS: it keeps what arrives, and gives each connection the same answer.
///
/// Safe for concurrent use; a thread of its own serves one connection after the other.
public final class TCPServer: @unchecked Sendable {
    /// What happens once a client has sent something.
    public enum Answer: Sendable {
        case bytes([UInt8])
        case end
        case reset
        /// The connection stays open, and nothing is ever said.
        case silence
        /// One of these bytes each second.
        case drip([UInt8])
    }

    public var port: UInt16 { listener.port }
    private let listener: LoopbackListener
    private let lock = NSLock()
    private var bytes: [UInt8] = []
    private var isStopping = false
    private let ended = DispatchSemaphore(value: 0)

    public init(_ answer: Answer) throws {
        listener = try LoopbackListener()
        Thread.detachNewThread { [self] in
            while !lock.withLock({ isStopping }) {
                if let socket = try? listener.accept(seconds: 0.1) { serve(socket, answer) }
            }
            ended.signal()
        }
    }

    /// Everything that clients sent so far.
    public var received: [UInt8] { lock.withLock { bytes } }

    /// Ends the connection and the thread. Call it when the test is done.
    public func stop() {
        lock.withLock { isStopping = true }
        ended.wait()
    }

    private func serve(_ socket: LoopbackSocket, _ answer: Answer) {
        guard take(socket) else { return }
        switch answer {
        case .bytes(let bytes): try? socket.write(bytes)
        case .end: return
        case .reset: return socket.reset()
        case .silence: break
        case .drip(let bytes): return drip(bytes, socket)
        }
        while take(socket) {}
    }

    private func drip(_ bytes: [UInt8], _ socket: LoopbackSocket) {
        for byte in bytes {
            try? socket.write([byte])
            let next = Date(timeIntervalSinceNow: 1)
            repeat {
                if lock.withLock({ isStopping }) { return }
                if let more = try? socket.read(65_536, seconds: 0.1), more.isEmpty { return }
            } while Date() < next
        }
    }

    /// False at the end of the connection.
    private func take(_ socket: LoopbackSocket) -> Bool {
        while !lock.withLock({ isStopping }) {
            guard let more = try? socket.read(65_536, seconds: 0.1) else { continue }
            lock.withLock { bytes += more }
            return !more.isEmpty
        }
        return false
    }
}
