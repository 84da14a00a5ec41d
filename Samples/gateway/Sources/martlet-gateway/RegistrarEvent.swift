// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization

/// What the registrar did, or refused to do.
struct RegistrarEvent: Equatable, Sendable {
    enum Outcome: Equatable, Sendable {
        /// A certificate until then, in seconds since 1970.
        case issued(expires: Int64)
        /// The same certificate once more: the answer before may not have arrived.
        case repeated
        case pending
        case refused(status: Int, reason: String)
    }

    /// Who it is, or claims to be.
    let device: [UInt8]
    let operation: ESTRequest.Operation
    let outcome: Outcome

    var level: Logger.Level {
        if case .refused(let status, _) = outcome { status >= 500 ? .error : .warning } else { .info }
    }

    var words: String {
        let verb = operation == .renew ? "renewal" : "enrolment"
        return "\(verb) of \(device.isEmpty ? "nobody" : printable(device)): \(outcome.words)"
    }
}

extension RegistrarEvent.Outcome {
    /// For programs.
    var text: String {
        switch self {
        case .issued: "issued"
        case .repeated: "repeated"
        case .pending: "pending"
        case .refused: "refused"
        }
    }

    fileprivate var words: String {
        switch self {
        case .issued(let expires): "a certificate until \(timestamp(milliseconds: expires * 1000) ?? "-")"
        case .repeated: "the same certificate again"
        case .pending: "waits for 'device approve'"
        case .refused(let status, let reason): "refused (\(status)): \(reason)"
        }
    }
}

/// Events on their way to the thread that shows them.
final class RegistrarEvents: Sendable {
    /// More than nginx lets through until they are taken; what comes beyond that is not shown.
    private static let maximumCount = 1000

    private let waiting = Mutex<[RegistrarEvent]>([])

    func post(_ event: RegistrarEvent) {
        waiting.withLock { if $0.count < Self.maximumCount { $0.append(event) } }
    }

    func take() -> [RegistrarEvent] {
        waiting.withLock { events in
            defer { events = [] }
            return events
        }
    }
}
