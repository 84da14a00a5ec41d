// SPDX-License-Identifier: Apache-2.0

internal import MartletCurl
internal import MartletHTTPS
internal import MartletPosix

/// A request on a thread of its own, because libcurl waits. While it runs, the connection belongs to that thread.
final class RunningExchange: @unchecked Sendable {  // what changes is guarded, or belongs to one thread
    /// Times at which a server's certificate is judged; see `TLSContext.prepare`.
    struct Moment {
        var time: Int64
        var boottime: UInt64
        var acceptsNotYetValid: Bool
    }

    enum Outcome {
        case response(HTTPSResponse)
        case failure(HTTPSFailure)
    }

    private let connection: HTTPSConnection
    private let request: HTTPSRequest
    private let moment: Moment
    private let waiter: Waiter
    private let result = Guarded<Outcome?>(nil)
    private var thread: Thread?

    init(_ connection: HTTPSConnection, _ request: HTTPSRequest, _ moment: Moment, waiter: Waiter) {
        self.connection = connection
        self.request = request
        self.moment = moment
        self.waiter = waiter
    }

    func start() throws(PosixError) {
        // Whoever has the exchange joins the thread before it lets go of it.
        thread = try Thread { self.run() }
    }

    private func run() {
        var outcome: Outcome
        do throws(HTTPSFailure) {
            outcome = .response(
                try connection.https.perform(
                    request, time: moment.time, boottime: moment.boottime,
                    acceptNotYetValid: moment.acceptsNotYetValid))
        } catch {
            outcome = .failure(error)
        }
        result.with { $0 = outcome }
        waiter.wake()
    }

    /// What came of it, once it has ended.
    func take() -> Outcome? {
        guard let outcome = result.with({ $0 }) else { return nil }
        join()
        return outcome
    }

    /// Lets it end within about a second; the connection is of no further use.
    func cancel() { connection.cancellation.cancel() }

    func join() {
        thread?.join()
        thread = nil
    }
}

/// A connection that is kept from one exchange to the next, and what ends it.
final class HTTPSConnection {
    let https: VerifiedHTTPS
    let cancellation: HTTPSCancellation

    init(_ https: VerifiedHTTPS, _ cancellation: HTTPSCancellation) {
        self.https = https
        self.cancellation = cancellation
    }
}
