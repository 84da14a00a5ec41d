// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletController
import MartletHTTPSLink
import MartletMessages
import MartletPosix
import MartletSession
import TestSupport

/// One device whose exchanges are cut at a byte, over and over, each time in another run of it.
final class CutExchanges {
    enum Side: String, Sendable { case server, client }

    let bench: HTTPSBench
    private let https: HTTPSSupport
    /// How many readings were reported, and whether an answer that was taken whole acknowledged the last one.
    private(set) var reported = 0
    private var isAcknowledged = true
    /// What telemetry came in requests, each byte sequence once.
    private var envelopes: Set<[UInt8]> = []

    init(https: HTTPSSupport = .libcurl) throws {
        self.https = https
        bench = try HTTPSBench(["wait = 0"], throughRelay: true)
    }

    /// A run of the device with a reading that is not acknowledged yet, until the connection ends or the answer that
    /// acknowledges the reading, and resumes the run, was taken. True if it was.
    @discardableResult
    func run(_ limit: Proxy.Limit = Proxy.Limit(), seconds: Int64 = 5) throws -> Bool {
        bench.relay?.limit = limit
        bench.relay?.forget()
        bench.log.with { $0 = [] }
        bench.state.with {
            $0.requests = []
            $0.answers = []
        }
        let device = try bench.device(https: https)
        defer { device.stop(flushing: 0) }
        if isAcknowledged {
            try device.report("temperature", Double(reported + 1))
            reported += 1
        }
        isAcknowledged = false
        try device.start()
        let found = bench.log.wait(milliseconds: seconds * 1000) { lines -> Bool? in
            if lines.contains(where: { $0.contains("resumed this run") }) { return true }
            return lines.contains { $0.contains("not connected") } ? false : nil
        }
        guard let found else { throw TestFailure("\(limit): neither cut nor resumed after \(seconds) s") }
        for (request, _) in bench.state.with({ $0.requests }) {
            for message in request.messages where message.leaf == .signed(.telemetry) {
                envelopes.insert(message.bytes)
            }
        }
        isAcknowledged = found
        let stored = arrived
        if found, stored.last != .number(Double(reported)) {
            throw TestFailure("\(limit): reading \(reported) was acknowledged and is lost: \(stored.count) arrived")
        }
        return found
    }

    /// The values that arrived, in order and each once, as the chain says.
    private var arrived: [Reading.Value?] {
        bench.backEnd.state.with { bench.backEnd.readings($0) }.filter { $0.verdict != .duplicate }
            .map { $0.reading.value }
    }

    static func limit(_ side: Side, _ count: Int) -> Proxy.Limit {
        side == .server ? Proxy.Limit(fromBroker: count) : Proxy.Limit(fromClient: count)
    }

    /// Cuts what `side` sends at each of these bytes. Returns in how many runs there was a cut. libcurl itself sends a
    /// request again if nothing of the answer came over a connection that it used before.
    func cut(_ side: Side, at offsets: [Int]) throws -> Int {
        var cuts = 0
        for offset in offsets {
            let before = bench.relay?.limitedCount
            try run(Self.limit(side, offset))
            if bench.relay?.limitedCount != before { cuts += 1 }
        }
        return cuts
    }

    /// Everything that was acknowledged is there, once, in order and in a whole chain; what came again was the same.
    func judge() throws {
        try run()
        let values = arrived
        let readings = bench.backEnd.state.with { bench.backEnd.readings($0) }
        let isLinked = readings.allSatisfy { [.first, .linked, .duplicate].contains($0.verdict) }
        guard values == (1...reported).map({ .number(Double($0)) }), isLinked, envelopes.count == reported,
            bench.backEnd.state.with({ $0.refused.isEmpty }), bench.state.with({ $0.faults.isEmpty })
        else {
            throw TestFailure("of \(reported) readings: \(envelopes.count) envelopes, \(readings)")
        }
    }

    /// Where to cut: at the edges of each record of the handshake, and one byte beside them; at each byte of the first
    /// two exchanges. The second one has birth, presence and reading, and its answer the resume.
    func offsets(of side: Side) throws -> [Int] {
        try run()
        guard let relay = bench.relay else { return [] }
        let sizes = bench.state.with { state in
            // A head is kept without the empty line after it.
            let requests = state.requests.map { $0.head.utf8.count + 4 + ($0.request.encoded()?.count ?? 0) }
            return side == .server ? state.answers : requests
        }
        let edges = Self.edges(of: side == .server ? relay.received : relay.sent)
        guard sizes.count >= 2,
            let (begin, middle) = Self.find(sizes[0], in: edges[...]),
            let (_, end) = Self.find(sizes[1], in: edges[middle...])
        else { throw TestFailure("no exchanges of \(sizes) bytes in records that end at \(edges)") }
        let handshake = Set(edges[..<begin].flatMap { [$0 - 1, $0, $0 + 1] }).filter { $0 >= 0 && $0 < edges[begin] }
        // A signature of TLS may be some bytes longer the next time.
        return handshake.sorted() + Array(edges[begin]..<edges[end] + 8)
    }

    /// From which edge to which one the records say so many bytes. One of TLS 1.3 has 17 bytes more than what it says, after
    /// a head of 5.
    private static func find(_ size: Int, in edges: ArraySlice<Int>) -> (Int, Int)? {
        for from in edges.indices {
            for to in edges.indices where to > from && edges[to] - edges[from] - 22 * (to - from) == size {
                return (from, to)
            }
        }
        return nil
    }

    /// Where the TLS records of a stream begin, and where the last one ends.
    private static func edges(of stream: [UInt8]) -> [Int] {
        var edges = [0]
        while let last = edges.last, last + 5 <= stream.count {
            edges.append(last + 5 + Int(stream[last + 3]) << 8 + Int(stream[last + 4]))
        }
        return edges
    }
}

/// A link with a fault: what it has handed over counts as acknowledged, before its answer is whole.
final class HastyLink: DrivenLink {
    private let link: any DrivenLink
    private var handed: [Int32] = []

    init(_ link: any DrivenLink) { self.link = link }

    static let support = HTTPSSupport { (configuration, identity, waiter, broker) throws(MartletError) in
        HastyLink(try HTTPSSupport.libcurl.link(configuration, identity, waiter, broker))
    }

    func drive(readable: Bool, writable: Bool, now: UInt64) {
        while !handed.isEmpty { engine?.acknowledged(id: handed.removeFirst(), reasonCode: 0, .now()) }
        link.drive(readable: readable, writable: writable, now: now)
    }

    func publish(_ topic: [UInt8], _ payload: Span<UInt8>, retained: Bool) -> PublishResult {
        let result = link.publish(topic, payload, retained: retained)
        if case .taken(let id) = result { handed.append(id) }
        return result
    }

    var engine: Engine? {
        get { link.engine }
        set { link.engine = newValue }
    }
    var descriptor: Int32 { link.descriptor }
    var wantsWrite: Bool { link.wantsWrite }
    var due: UInt64? { handed.isEmpty ? link.due : 0 }
    var isAccepted: Bool { link.isAccepted }
    var isOpen: Bool { link.isOpen }
    var farewell: UInt64 { link.farewell }
    var server: [UInt8] { link.server }
    var window: Int { link.window }
    func end() { link.end() }
    func open(_ plan: ConnectionPlan) { link.open(plan) }
    func abort() { link.abort() }
    func disconnect() { link.disconnect() }
    func isServerValid(at seconds: Int64) -> Bool { link.isServerValid(at: seconds) }
    func subscribe(_ topics: [[UInt8]]) -> Bool { link.subscribe(topics) }
}
