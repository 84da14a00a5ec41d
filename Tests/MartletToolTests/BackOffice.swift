// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletController
import MartletPosix
import TestSupport

/// A back end that verifies what devices send, and says nothing.
final class BackOffice: @unchecked Sendable {  // `state` is guarded; the rest does not change after init
    struct State {
        var verifier: DeviceVerifier
        var messages: [DeviceMessage] = []
        var refused: [VerificationError] = []
        /// Leaves whose retained message was cleared, in order.
        var cleared: [String] = []
        var isConnected = false
    }

    let state: Guarded<State>
    private var link: ControllerLink?

    init(_ authority: TestAuthority, port: UInt16) throws {
        state = Guarded(State(verifier: try DeviceVerifier(anchors: [authority.authority.certificate])))
        let identity = try authority.client("back-end")
        let link = try ControllerLink(
            LinkConfiguration(
                host: "localhost", port: port, clientID: Array("back-end-\(UUID().uuidString)".utf8),
                anchors: [authority.authority.certificate], chain: [identity.certificate], key: identity.key,
                subscriptions: ["birth", "event", "presence", "decommission", "checkpoint"].map {
                    Array("martlet/v1/+/\($0)".utf8)
                }), delegate: self)
        self.link = link
        try link.start()
        try wait("the back end's connection") { $0.isConnected ? true : nil }
    }

    /// Breaks the cycle with the link.
    func stop() {
        link?.stop()
        link?.wait()
        link = nil
    }

    @discardableResult
    func wait<Result>(_ what: String, _ body: (inout State) -> Result?) throws -> Result {
        if let result = state.wait(milliseconds: 30_000, for: body) { return result }
        throw TestFailure("no \(what): \(state.with { ($0.messages.count, $0.refused, $0.cleared) })")
    }

    /// How many last words there were so far.
    var farewells: Int { state.with(Self.farewells) }

    static func farewells(_ state: inout State) -> Int {
        state.messages.count { if case .decommission = $0.content { true } else { false } }
    }
}

extension BackOffice: ControllerLinkDelegate {
    func linkChanged(_ linkState: LinkState) {
        state.with { if case .ready = linkState { $0.isConnected = true } else { $0.isConnected = false } }
        state.notify()
    }

    func linkReceived(topic: Span<UInt8>, payload: Span<UInt8>, isRetained: Bool) -> Bool {
        let prefix = Array("martlet/v1".utf8)
        guard let (range, leaf) = Topics.parse(topic, prefix: prefix.span) else { return true }
        let device = [UInt8](copying: topic.extracting(range))
        let name = String(
            decoding: [UInt8](copying: topic.extracting(droppingFirst: range.upperBound + 1)), as: UTF8.self)
        state.with { state in
            if payload.count == 0 {
                state.cleared.append(name)
            } else if case .signed(let purpose) = leaf {
                do throws(VerificationError) {
                    state.messages.append(
                        try state.verifier.verify(
                            payload, from: device.span, as: purpose, at: Int64(Date().timeIntervalSince1970),
                            now: SystemClock.bootMilliseconds()))
                } catch {
                    state.refused.append(error)
                }
            }
        }
        state.notify()
        return true
    }

    func linkPublished(token: UInt64, reasonCode: UInt8) {}

    func linkTicked() {}
}
