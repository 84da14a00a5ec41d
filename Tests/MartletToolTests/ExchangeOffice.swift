// SPDX-License-Identifier: Apache-2.0

import Foundation
import MartletEnvelope
import MartletMessages
import MartletPosix
import TestSupport

/// A back end that the tool reaches by exchanges over HTTPS.
final class ExchangeOffice {
    struct State {
        var messages: [Exchange.Message] = []
        /// Heads of all requests, and their marks.
        var requests: [(head: String, mark: UInt64)] = []
        /// Codes of messages that are not taken, by their leaf.
        var codes: [Leaf: UInt8] = [:]
        /// Answers to the next requests, instead of the usual ones; nil is a usual one.
        var scripted: [[UInt8]?] = []
        /// The answer to all others, if it is not the usual one.
        var always: [UInt8]?
    }

    let state = Guarded(State())
    private(set) var server: ExchangeServer!

    /// - Parameter take: gets each message that is taken.
    init(
        _ authority: TestAuthority, id: String, givesUpHTTP2: Bool = false,
        take: @escaping @Sendable (Exchange.Message) -> Void = { _ in }
    ) throws {
        let state = state
        server = try ExchangeServer(authority, givesUpHTTP2: givesUpHTTP2) { request in
            guard request.line == "POST /things/martlet/v1/\(id)/exchange HTTP/1.1", request.client == id,
                let content = try? Exchange.Request(decoding: request.body.span), content.wait == 0
            else { return ExchangeServer.answer("400 Bad Request") }
            let scripted = state.with { state in
                state.requests.append((request.head, content.mark))
                return state.scripted.isEmpty ? state.always : state.scripted.removeFirst()
            }
            if let scripted { return scripted }
            let codes = content.messages.map { message in
                state.with { $0.codes[message.leaf ?? .presence] } ?? 0
            }
            for (message, code) in zip(content.messages, codes) where code == 0 {
                state.with { $0.messages.append(message) }
                take(message)
            }
            // What waits for the device is not for the tool.
            let waiting = Exchange.Message(leaf: .signed(.command), bytes: [1, 2, 3])
            return ExchangeServer.answer(
                body: Exchange.Answer(codes: codes, messages: [waiting], mark: 7).encoded() ?? [])
        }
    }

    deinit { server?.stop() }

    var url: String { "https://localhost:\(server.port)/things/" }

    /// Waits until a certificate was shown. By their SHA-256 in hexadecimal.
    func waitForCertificate(_ digest: String) throws { try server.waitForOutput("certificate=\(digest)") }

    /// The certificates that were shown.
    var certificates: Set<String> {
        Set(
            server.output.split(separator: "\n").compactMap {
                $0.components(separatedBy: "certificate=").dropFirst().first
            })
    }
}
