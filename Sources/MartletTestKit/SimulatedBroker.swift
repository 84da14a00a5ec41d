// SPDX-License-Identifier: Apache-2.0

internal import MartletEnvelope

/// A message for the device.
struct DownMessage {
    let purpose: Purpose
    let bytes: [UInt8]
    /// What it is, if it is a command that an operator signed.
    let signing: SimulatedSigning?
}

/// A broker with moods: QoS 1 both ways, a persistent session, retained messages.
final class SimulatedBroker {
    /// What the back end did not take yet.
    private(set) var inbox: [RecordingLink.Message] = []
    /// What it keeps: a birth, a presence.
    private var retained: [RecordingLink.Message] = []
    /// What the device sent on this connection and is not acknowledged: the id, and the answer that it gets.
    private(set) var unanswered: [(id: Int32, code: UInt8)] = []
    /// What the device did not acknowledge.
    private(set) var session: [DownMessage] = []

    // MARK: From the device

    /// Takes a message, or refuses it with a code other than 0.
    func take(_ message: RecordingLink.Message, code: UInt8) {
        unanswered.append((message.id, code))
        // 0x10: nobody listens, but what is to be retained is.
        if message.isRetained, code == 0 || code == 0x10 {
            retained.removeAll { $0.topic == message.topic }
            retained.append(message)
        }
        if code == 0 { inbox.append(message) }
    }

    func hasTaken(_ id: Int32) -> Bool { unanswered.contains { $0.id == id } }

    /// Takes the answer at `index` out.
    func answer(at index: Int) -> (id: Int32, code: UInt8) { unanswered.remove(at: index) }

    func connectionEnded() { unanswered.removeAll() }

    /// Takes a message for the back end out.
    func give(at index: Int) -> RecordingLink.Message { inbox.remove(at: index) }

    /// Gives a message to the back end once more.
    func repeatMessage(at index: Int) { inbox.append(inbox[index]) }

    /// The back end subscribes again: it gets what was kept.
    func backEndReturns() { inbox += retained }

    // MARK: To the device

    func send(_ message: DownMessage) { session.append(message) }

    /// The device acknowledged a message.
    func drop(at index: Int) { session.remove(at: index) }

    /// A restart that forgets everything.
    func forget() {
        inbox.removeAll()
        session.removeAll()
        retained.removeAll()
    }
}
