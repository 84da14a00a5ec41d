// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletAsync
import MartletMessages
import MartletPosix
import Testing

/// In a process of their own: the other tests, which wait by blocking, leave no thread for a task of a handler.
@Suite(.serialized, .timeLimit(.minutes(2))) struct AsyncTests {
    @Test func `states of the connection come as a stream, and a handler may suspend`() async {
        await #expect(processExitsWith: .success) {
            let bench = try Bench()
            try await obeys(try bench.device(), bench.backEnd) { try bench.waitForLog("resumed this run") }
        }
    }

    @Test func `over HTTPS it is the same`() async {
        await #expect(processExitsWith: .success) {
            let bench = try HTTPSBench()
            try await obeys(try bench.device(), bench.backEnd) { try bench.waitForLog("resumed this run") }
            try #require(bench.backEnd.state.with { $0.presences.map(\.isOnline) } == [true, false])
        }
    }
}

/// Connects, carries out a command, and stops.
private func obeys(_ device: Device, _ backEnd: BackEnd, waitUntilResumed: () throws -> Void) async throws {
    try device.onCommand("wait-a-little", [.integer(0...100)], isIdempotent: true) { call async in
        try? await Task.sleep(for: .milliseconds(call.integer(0)))
        return .doneWith([.integer(call.integer(0))])
    }
    let states = device.connectionStates()
    try device.start()
    var seen: [ConnectionState] = []
    for await state in states {
        seen.append(state)
        if state == .connected { break }
    }
    try #require(seen == [.disconnected, .connecting, .connected])
    try waitUntilResumed()
    let command = try backEnd.command("wait-a-little", [.integer(20)])
    let receipt = try backEnd.receipt(for: command)
    try #require(receipt.outcome == .done && receipt.results == [.integer(20)])
    await device.stopped()
}
