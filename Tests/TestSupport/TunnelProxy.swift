// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An HTTP proxy that makes tunnels: CONNECT, and nothing else. It keeps the heads of all requests.
public final class TunnelProxy: @unchecked Sendable {  // what changes is guarded
    public var port: UInt16 { listener.port }
    private let listener: LoopbackListener
    private let lock = NSLock()
    private var all: [String] = []
    private var isStopping = false
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameter refusal: the status line of all answers; nil: tunnels are made.
    public init(refusal: String? = nil) throws {
        listener = try LoopbackListener()
        Thread.detachNewThread { [self] in
            while !lock.withLock({ isStopping }) {
                guard let client = try? listener.accept(seconds: 0.1) else { continue }
                Thread.detachNewThread { [self] in try? serve(client, refusal) }
            }
            ended.signal()
        }
    }

    public var heads: [String] { lock.withLock { all } }

    public func stop() {
        lock.withLock { isStopping = true }
        ended.wait()
    }

    private func serve(_ client: LoopbackSocket, _ refusal: String?) throws {
        var head: [UInt8] = []
        while !head.ends(with: Array("\r\n\r\n".utf8)) {
            let more = try client.read(1, seconds: 10)
            if more.isEmpty { return }
            head += more
        }
        let text = String(decoding: head, as: UTF8.self)
        lock.withLock { all.append(text) }
        if let refusal { return try client.write(Array("\(refusal)\r\nContent-Length: 0\r\n\r\n".utf8)) }
        let target = text.split(separator: " ")[1]
        guard text.hasPrefix("CONNECT "), let port = UInt16(target.split(separator: ":").last ?? "") else { return }
        let server = try LoopbackSocket(connectingTo: port)
        try client.write(Array("HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n".utf8))
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread { [self] in
            try? pass(server, client)
            done.signal()
        }
        try? pass(client, server)
        done.wait()
    }

    /// Until the end of either, or of the test.
    private func pass(_ from: LoopbackSocket, _ to: LoopbackSocket) throws {
        defer { for socket in [from, to] { shutdown(socket.descriptor, Int32(SHUT_RDWR)) } }
        while !lock.withLock({ isStopping }) {
            var poll = pollfd(fd: from.descriptor, events: Int16(POLLIN), revents: 0)
            if Glibc.poll(&poll, 1, 200) == 0 { continue }
            let bytes = try from.read(65_536, seconds: 1)
            if bytes.isEmpty { return }
            try to.write(bytes)
        }
    }
}

extension [UInt8] {
    fileprivate func ends(with suffix: [UInt8]) -> Bool {
        count >= suffix.count && Array(self.suffix(suffix.count)) == suffix
    }
}
