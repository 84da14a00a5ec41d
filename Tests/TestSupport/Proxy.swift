// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A TCP relay in front of a broker that can hold, cut, filter and record what passes.
///
/// Safe for concurrent use; one thread of its own relays.
public final class Proxy: @unchecked Sendable {
    private struct Link {
        var client: Int32
        var broker: Int32
        /// Bytes of a packet from the broker that is not complete, while packets are filtered.
        var pending: [UInt8] = []
        /// What passed in each direction.
        var sent = 0
        var received = 0
        /// Nothing passes any more.
        var isStalled = false
    }

    /// How much passes in each direction of a connection. What is beyond ends it, or stays away.
    public struct Limit: Sendable {
        public var fromClient = Int.max
        public var fromBroker = Int.max
        public var stalls = false
        /// It holds until one connection has reached it.
        public var isForOne = false

        public init(
            fromClient: Int = .max, fromBroker: Int = .max, stalls: Bool = false, isForOne: Bool = false
        ) {
            self.fromClient = fromClient
            self.fromBroker = fromBroker
            self.stalls = stalls
            self.isForOne = isForOne
        }
    }

    public let port: UInt16
    private let listener: LoopbackListener
    private let brokerPort: UInt16
    private let lock = NSLock()
    private let wake: (read: Int32, write: Int32)
    private let ended = DispatchSemaphore(value: 0)
    private var links: [Link] = []
    private var holdingNow = false
    private var holdingClientsNow = false
    private var refusingNow = false
    private var limitNow = Limit()
    private var accepted = 0
    private var limited = 0
    private var droppedTypes: Set<UInt8> = []
    private var cutting = false
    private var stopping = false
    private var fromClients: [UInt8] = []
    private var fromBroker: [UInt8] = []

    public init(to brokerPort: UInt16) throws {
        listener = try LoopbackListener()
        port = listener.port
        self.brokerPort = brokerPort
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw TestFailure("No pipe for the proxy") }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        wake = (ends[0], ends[1])
        Thread.detachNewThread { [self] in relay() }
    }

    /// Ends the relay and its connections. Call it when the test is done.
    public func stop() {
        change { stopping = true }
        ended.wait()
    }

    /// Everything that clients sent so far, and that brokers sent.
    public var sent: [UInt8] { lock.withLock { fromClients } }
    public var received: [UInt8] { lock.withLock { fromBroker } }

    /// While true nothing passes and nothing is read: connections are still accepted.
    public var holding: Bool {
        get { lock.withLock { holdingNow } }
        set { change { holdingNow = newValue } }
    }

    /// While true nothing of what clients send passes, or is read.
    public var holdingClients: Bool {
        get { lock.withLock { holdingClientsNow } }
        set { change { holdingClientsNow = newValue } }
    }

    /// While true every new connection is closed at once.
    public var refusing: Bool {
        get { lock.withLock { refusingNow } }
        set { change { refusingNow = newValue } }
    }

    /// For bytes that pass from now on.
    public var limit: Limit {
        get { lock.withLock { limitNow } }
        set { change { limitNow = newValue } }
    }

    /// Connections that were accepted, also those that were refused then.
    public var connectionCount: Int { lock.withLock { accepted } }

    /// Connections that reached their limit.
    public var limitedCount: Int { lock.withLock { limited } }

    /// Empties `sent` and `received`, and begins to count anew what passes.
    public func forget() {
        lock.withLock {
            for index in links.indices { (links[index].sent, links[index].received) = (0, 0) }
            fromClients = []
            fromBroker = []
        }
    }

    /// MQTT packet types (4 = PUBACK) which the broker sends and the client never sees; not for TLS.
    public var dropped: Set<UInt8> {
        get { lock.withLock { droppedTypes } }
        set { change { droppedTypes = newValue } }
    }

    /// Resets every connection.
    public func cut() { change { cutting = true } }

    private func change(_ body: () -> Void) {
        lock.withLock(body)
        _ = write(wake.write, "x", 1)
    }

    private func relay() {
        while true {
            let (waiting, holds, holdsClients) = lock.withLock { (links, holdingNow, holdingClientsNow) }
            var states = [wake.read, listener.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            if !holds {
                states += waiting.filter { !$0.isStalled }.flatMap {
                    holdsClients ? [$0.broker] : [$0.client, $0.broker]
                }
                .map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            }
            poll(&states, nfds_t(states.count), -1)
            var bytes = [UInt8](repeating: 0, count: 64)
            _ = read(wake.read, &bytes, bytes.count)
            if lock.withLock({ stopping }) { break }
            lock.withLock {
                if cutting { while !links.isEmpty { drop(0, reset: true) } }
                cutting = false
            }
            if states[1].revents != 0 { accept() }
            let ready = Set(states.dropFirst(2).filter { $0.revents != 0 }.map(\.fd))
            for link in waiting { pass(link, ready) }
        }
        lock.withLock { while !links.isEmpty { drop(0, reset: false) } }
        close(wake.read)
        close(wake.write)
        ended.signal()
    }

    private func accept() {
        let client = listener.acceptConnection()
        guard client >= 0 else { return }
        lock.withLock { accepted += 1 }
        if refusing {
            close(client)
            return
        }
        guard let broker = try? LoopbackSocket(connectingTo: brokerPort) else {
            close(client)
            return
        }
        // What comes in parts must not wait for acknowledgements that a receiver puts off.
        var yes: Int32 = 1
        for descriptor in [client, broker.descriptor] {
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        lock.withLock { links.append(Link(client: client, broker: fcntl(broker.descriptor, F_DUPFD_CLOEXEC, 0))) }
    }

    private func pass(_ link: Link, _ ready: Set<Int32>) {
        lock.withLock {
            guard !holdingNow, let index = links.firstIndex(where: { $0.client == link.client }) else { return }
            if ready.contains(link.client), !holdingClientsNow {
                let bytes = take(link.client)
                fromClients += bytes
                let room = max(0, limitNow.fromClient - links[index].sent)
                links[index].sent += bytes.count
                if bytes.isEmpty || !put(Array(bytes.prefix(room)), link.broker) { return drop(index, reset: false) }
                if bytes.count > room { return end(index) }
            }
            if ready.contains(link.broker) {
                let bytes = take(link.broker)
                fromBroker += bytes
                let room = max(0, limitNow.fromBroker - links[index].received)
                links[index].received += bytes.count
                links[index].pending += bytes.prefix(room)
                if bytes.isEmpty || !put(filtered(&links[index].pending), link.client) {
                    return drop(index, reset: false)
                }
                if bytes.count > room { return end(index) }
            }
        }
    }

    /// The connection reached its limit.
    private func end(_ index: Int) {
        limited += 1
        if limitNow.stalls { links[index].isStalled = true } else { drop(index, reset: false) }
        if limitNow.isForOne { limitNow = Limit() }
    }

    /// What may pass now; incomplete packets wait only while some are dropped.
    private func filtered(_ pending: inout [UInt8]) -> [UInt8] {
        if droppedTypes.isEmpty {
            defer { pending = [] }
            return pending
        }
        var passing: [UInt8] = []
        while let length = packetLength(pending), length <= pending.count {
            if !droppedTypes.contains(pending[0] >> 4) { passing += pending[..<length] }
            pending.removeFirst(length)
        }
        return passing
    }

    private func packetLength(_ bytes: [UInt8]) -> Int? {
        var length = 0
        for (index, byte) in bytes.dropFirst().prefix(4).enumerated() {
            length += Int(byte & 0x7F) << (7 * index)
            if byte & 0x80 == 0 { return 2 + index + length }
        }
        return nil
    }

    private func drop(_ index: Int, reset: Bool) {
        let link = links.remove(at: index)
        var linger = linger(l_onoff: reset ? 1 : 0, l_linger: 0)
        for descriptor in [link.client, link.broker] {
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
            close(descriptor)
        }
    }

    private func take(_ descriptor: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let received = recv(descriptor, &bytes, bytes.count, 0)
        return Array(bytes.prefix(max(0, received)))
    }

    private func put(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        bytes.isEmpty || send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }
}
