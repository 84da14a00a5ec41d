// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletSession

/// What operators, handlers, roots and an attacker do.
extension SimulatedWorld {
    /// An operator sends a command, or asks again for one that was not reported.
    func operate() throws(TestKitError) {
        guard let challenge = backEnd.challenge else { return }
        if random.oneIn(3) {
            // Once state was lost an id must not be used again: nobody knows whether it took effect.
            let open = books.orders.filter { !$0.isReported && $0.losses == books.losses }
            if !open.isEmpty {
                let order = open[below(open.count)]
                send(try backEnd.sign(order, challenge))
                books.totals.count(.signedAgain)
                say("command signed again:", books.number(of: order))
                return
            }
        }
        if random.oneIn(60) {
            // More than the device takes at once.
            for _ in 0..<24 { try order(device.operator, isIdempotent: false, challenge) }
        }
        try order(random.oneIn(3) ? second : device.operator, isIdempotent: random.oneIn(3), challenge)
    }

    func order(
        _ controller: TestController, isIdempotent: Bool, _ challenge: Bytes16
    ) throws(TestKitError) {
        var command = Command(
            name: (isIdempotent ? set : pulse).name,
            arguments: [.integer(random.oneIn(20) ? 1000 : Int64(random.below(100)))])
        let isOwn = isIdempotent && random.oneIn(4)
        if isOwn { command = Command(name: own[random.oneIn(3) ? 0 : 1]) }
        if random.oneIn(8) { command.deadline = random.below(60) }
        command.priority = UInt8(random.below(3))
        let order = SimulatedOrder(
            key: CommandKey(controller: controller.key.keyID, id: random.bytes16()), command: command,
            isIdempotent: isIdempotent, isOwn: isOwn, controller: controller, losses: books.losses)
        books.add(order)
        books.totals.count(.signing)
        let expires = random.oneIn(10) ? UInt64(time / 1000) + random.below(600) : nil
        send(try backEnd.sign(order, challenge, expires: expires))
        say("command signed:", books.number(of: order))
    }

    /// A handler begins: that is the effect.
    func beginHandler() {
        let waiting = handlings.filter { !$0.hasBegun }
        if waiting.isEmpty { return }
        let handling = waiting[below(waiting.count)]
        if now.boot > handling.accepted.deadline ?? .max {
            end(handling, .deadlineMissed)
            return
        }
        if device.owner.withdrawn.contains(handling.accepted.key) {
            end(handling, .outOfPolicy)
            return
        }
        let document = backEnd.document(device.engine.gate.trustVersion)
        if document?.allows(handling.order) != true {
            books.fail("a command began without authority", books.number(of: handling.order))
        }
        handling.hasBegun = true
        say("handler begins:", books.number(of: handling.order))
        books.takesEffect(handling.order)
    }

    func endHandler() {
        let running = handlings.filter { $0.hasBegun }
        if running.isEmpty { return }
        end(running[below(running.count)], random.oneIn(4) ? .failed : .done)
    }

    private func end(_ handling: Handling, _ outcome: Outcome) {
        handlings.removeAll { $0 === handling }
        let order = handling.order
        if twin == .earlyReceipt { books.told(order, outcome) }
        let results = outcome == .done && random.oneIn(3) ? [CommandValue.integer(Int64(random.below(1000)))] : []
        device.engine.finished(handling.accepted.key, outcome, results: results, now)
        say("handler ended:", books.number(of: order), UInt64(outcome.rawValue))
        if !disk.isOff, disk.fault == nil, !order.isExcused { order.outcome = outcome }
        device.engine.advance(now)
    }

    /// The roots say who may command from now on.
    func publishDocument() throws(TestKitError) {
        if backEnd.documents.count >= 12 || random.oneIn(2) { return }
        var controllers: [TestController] = []
        if !random.oneIn(5) { controllers.append(device.operator) }
        if random.oneIn(2) { controllers.append(second) }
        var commands: [[UInt8]] = []
        if !random.oneIn(4) { commands.append(pulse.name) }
        if !random.oneIn(4) { commands.append(set.name) }
        if random.oneIn(2) { commands += own }
        send(try backEnd.publish(controllers, commands: commands))
        say("trust document:", UInt64(backEnd.documents.count))
    }

    /// Sends again what was recorded, or something forged.
    func attack() throws(TestKitError) {
        if device.link.state != .open || device.link.subscriptions.isEmpty { return }
        var message: DownMessage
        if let challenge = backEnd.challenge, random.oneIn(6) {
            // Knows everything but the keys.
            let command = Command(name: pulse.name, arguments: [.integer(1)])
            message = DownMessage(
                purpose: .command, bytes: try intruder.command(command, intruder.commandClaims(challenge)),
                signing: nil)
            books.totals.count(.forgery)
        } else if recorded.isEmpty {
            return
        } else {
            message =
                recorded[random.oneIn(2) ? below(recorded.count) : recorded.count - 1 - below(min(6, recorded.count))]
            if random.oneIn(5) {
                var bytes = message.bytes
                bytes[below(bytes.count)] ^= 1 << UInt8(random.below(8))
                message = DownMessage(purpose: message.purpose, bytes: bytes, signing: nil)
                books.totals.count(.forgery)
            } else if random.oneIn(8) {
                let purposes: [Purpose] = [.command, .resume, .trust]
                message = DownMessage(purpose: purposes[below(3)], bytes: message.bytes, signing: message.signing)
            }
        }
        books.totals.count(.replay)
        say("attack")
        if !give(message, isRetained: random.oneIn(5)) { breakConnection() }
    }
}
