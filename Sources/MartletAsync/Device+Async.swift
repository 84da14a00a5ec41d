// SPDX-License-Identifier: Apache-2.0

import Dispatch
public import Martlet

/// The device for programs with Swift concurrency. Full Swift only: boards have no concurrency runtime. It is opened as
/// without, also for HTTPS: `Device(configuration:https:)` with `.libcurl` of `MartletHTTPSLink`.
extension Device {
    /// The connection's states, beginning with the present one, until the task that iterates is cancelled. Takes the place of `onConnectionChange`: ask for it once, before `start`.
    public func connectionStates() -> AsyncStream<ConnectionState> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: ConnectionState.self, bufferingPolicy: .bufferingNewest(16))
        continuation.yield(status.connection)
        onConnectionChange { continuation.yield($0) }
        return stream
    }

    /// The same as `onCommand`, with a handler that may suspend. The library's handler thread waits for it, so
    /// commands still run one after the other.
    public func onCommand(
        _ name: String, _ parameters: [Parameter] = [], isIdempotent: Bool = false,
        handler: @escaping @Sendable (Call) async -> CommandResult
    ) throws(MartletError) {
        try onCommand(name, parameters, isIdempotent: isIdempotent) { call in
            // Not a thread of the cooperative pool: waiting here blocks nobody who could finish the handler.
            let done = DispatchSemaphore(value: 0)
            let result = ResultBox()
            Task {
                result.value = await handler(call)
                done.signal()
            }
            done.wait()
            return result.value
        }
    }

    /// The same as `stop`, without blocking a thread of the cooperative pool. Not to be awaited in a handler: it waits
    /// for the handler that runs.
    public func stopped(flushing seconds: UInt32 = 5) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                self.stop(flushing: seconds)
                continuation.resume()
            }
        }
    }
}

/// Written before the semaphore is signalled, read after.
private final class ResultBox: @unchecked Sendable {
    var value = CommandResult.failed
}
