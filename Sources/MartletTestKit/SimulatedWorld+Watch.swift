// SPDX-License-Identifier: Apache-2.0

internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages
internal import MartletSession
internal import MartletState

/// What is seen of the device, and how it must end.
extension SimulatedWorld {
    /// Enters into the books what the device did since the last time.
    func observe() {
        while seenLines < device.owner.lines.count {
            let line = device.owner.lines[seenLines].bytes
            listener?(text("            ") + line)
            if line.starts(with: text("this device was rolled back")) { books.foundRollback() }
            seenLines += 1
        }
        // What it says comes first: a challenge is told before a command can echo it.
        while seenMessages < device.link.published.count {
            published(device.link.published[seenMessages])
            seenMessages += 1
        }
        for lane in Lane.allCases { books.durable(lane, readings: device.engine.durableReadings(lane)) }
        while seenCalls < device.owner.commands.count {
            executes(device.owner.commands[seenCalls])
            seenCalls += 1
        }
    }

    /// The library's own commands have no handler: their effect shows at once.
    func obeys(wasSuspended: Bool) {
        if disk.isOff || device.run.state.isSuspended == wasSuspended { return }
        guard let signing = delivered?.signing, signing.order.isOwn else {
            return books.fail("the device was suspended, or activated, by nobody")
        }
        say("own command accepted:", books.number(of: signing.order))
        books.accepted(
            signing.order.key, signing, isRetained: delivered?.isRetained ?? false,
            document: backEnd.document(device.engine.gate.trustVersion), boot: now.boot)
        books.totals.count(.ownCommand)
    }

    private func executes(_ accepted: AcceptedCommand) {
        if accepted.index >= device.settings.commands.count {
            return books.fail("a command of the library was given to the program")
        }
        if delivered == nil {
            guard let order = books.order(accepted.key), order.isIdempotent,
                // A disk may keep what it reported as an error: PROTOCOL.md, The ledger.
                order.acceptances > 0 || order.mayBeAccepted || books.totals[.diskError] > 0
            else { return books.fail("a command runs that was not accepted") }
            books.totals.count(.runAgain)
            say("command runs again:", books.number(of: order))
            handlings.append(Handling(accepted, order))
            return
        }
        let version = device.engine.gate.trustVersion
        books.accepted(
            accepted.key, delivered?.signing, isRetained: delivered?.isRetained ?? false,
            document: backEnd.document(version),
            boot: now.boot)
        guard let order = books.order(accepted.key) else { return }
        say("command accepted:", books.number(of: order))
        handlings.append(Handling(accepted, order))
    }

    private func published(_ message: RecordingLink.Message) {
        guard let leaf = device.topics.leaf(of: message.topic.span), case .signed(let purpose) = leaf else { return }
        guard let envelope = try? Envelope(decoding: message.payload.span) else {
            return books.fail("a message is no envelope")
        }
        let payload = message.payload.span.extracting(envelope.payload)
        switch purpose {
        case .birth:
            guard let birth = try? Birth(decoding: payload) else { return books.fail("a birth cannot be read") }
            say("birth:", birth.run, birth.connection, birth.journal?.sequence ?? 0)
            books.published(birth, boot: now.boot)
        case .receipt:
            guard let receipt = try? Receipt(decoding: payload) else { return books.fail("a receipt cannot be read") }
            books.published(receipt, backEnd.signings, boot: now.boot)
            if let order = books.order(CommandKey(controller: receipt.controller, id: receipt.command)) {
                say("receipt:", books.number(of: order), UInt64(receipt.outcome.rawValue))
            }
        case .telemetry:
            guard let sequence = envelope.claims.sequence, let lane = envelope.claims.lane else {
                return books.fail("readings without a number")
            }
            say("readings:", UInt64(lane.rawValue), sequence)
            books.published(lane, sequence, device.key.hashing.sha256(message.payload.span))
        case .checkpoint:
            guard let checkpoint = try? Checkpoint(decoding: payload) else {
                return books.fail("a checkpoint cannot be read")
            }
            say("checkpoint:", checkpoint.head.sequence, UInt64(checkpoint.entries.count))
        default: break
        }
    }

    // MARK: The end

    /// The storm is over: everything must come to its end.
    func settle() throws(TestKitError) {
        say("it is calm")
        if disk.isOff { try powerReturns() }
        disk.cutAfter = nil
        disk.fault = nil
        isCalm = true
        broker.backEndReturns()
        // What a broker acknowledged and then forgot is gone, until somebody asks.
        let forgets = books.totals[.brokerLoss] > 0
        var round = 0
        // A quota may let few messages go in a month: as long as they become fewer, it goes on.
        var (least, last) = (Int.max, 60)
        repeat {
            try settleOnce()
            if device.engine.backlog < least { (least, last) = (device.engine.backlog, round + 60) }
            // A birth that it forgot, or the answer, comes again with the next challenge.
            if forgets, round == 0 { wait(Challenge.period) }
            // What a quota holds back goes with a later period.
            if round % 2 == 1, device.engine.backlog > 0 { endPeriods() }
            round += 1
        } while problem == nil && round < last && (round < 3 || !isSettled)
        if problem != nil { return }
        if !isSettled { return books.fail("it never became quiet", UInt64(device.engine.backlog)) }
        if forgets, !unreported.isEmpty, let challenge = backEnd.challenge {
            send(
                try backEnd.publish(
                    [device.operator, second], commands: [pulse.name, set.name] + own, whileSuspended: true))
            for order in unreported { send(try backEnd.sign(order, challenge)) }
            try settleOnce()
            try settleOnce()
        }
        for order in unreported {
            books.fail("an accepted command was never reported", books.number(of: order))
        }
        if backEnd.sawLoss { books.totals.count(.lossSeen) }
        // A disk that fails, or is full, makes history give way.
        if books.losses == 0, !forgets, books.totals[.diskError] == 0,
            let missing = books.missing(upTo: backEnd.journal?.sequence ?? 0)
        {
            books.fail("an entry of the audit log is missing", missing)
        }
        // A disk that failed and then told of success may have kept nothing of the readings in between.
        if books.losses == 0, backEnd.sawLoss, !books.saysDiskLost {
            books.fail("a loss was told, and there was none")
        }
        if problem == nil { books.judgeReadings() }
        if problem == nil { try probe() }
        if problem == nil { try probeLanes() }
        if problem == nil { try probeQuota() }
        if books.isRolledBack, books.lastRun < backEnd.run {
            books.fail("a device that was rolled back has a run below what the back end knows", backEnd.run)
        }
        checkNonces()
    }

    private var unreported: [SimulatedOrder] {
        books.orders.filter { $0.acceptances > 0 && !$0.isExcused && !$0.isReported }
    }

    private var isSettled: Bool {
        handlings.isEmpty && device.link.state == .open && device.engine.backlog == 0 && broker.inbox.isEmpty
            && broker.session.isEmpty && (device.run.state.untoldCount == 0 || books.totals[.diskError] > 0)
    }

    func settleOnce() throws(TestKitError) {
        if device.link.state != .open {
            if let due = device.engine.due, due > now.boot { wait(due - now.boot) }
            device.connect()
            observe()
        }
        var turns = 0
        repeat {
            turns += 1
            while let message = device.link.unacknowledged.first(where: { !broker.hasTaken($0.id) }) {
                broker.take(message, code: 0)
                answerAll()
            }
            answerAll()
            while !broker.inbox.isEmpty { try take(broker.give(at: 0)) }
            while !broker.session.isEmpty, device.link.state == .open {
                let message = broker.session[0]
                broker.drop(at: 0)
                if !give(message, isRetained: false) { books.fail("a message is not acknowledged on a calm day") }
                wait(200)
                observe()
            }
            while !handlings.isEmpty, problem == nil {
                beginHandler()
                endHandler()
                observe()
            }
        } while !device.link.unacknowledged.isEmpty && turns < 50
        wait(61_000)
        observe()
    }

    /// No key of the journal sealed two things with one nonce, whatever was cut off, restored and begun anew.
    private func checkNonces() {
        var seen: [[UInt8]: [UInt8]] = [:]
        for sealing in device.keys.sealings {
            var place = sealing.key
            for byte in 0..<8 { place.append(UInt8(truncatingIfNeeded: sealing.index >> UInt64(8 * byte))) }
            if let sealed = seen.updateValue(sealing.sealed, forKey: place), sealed != sealing.sealed {
                books.fail("a nonce was used twice", sealing.index)
            }
        }
    }

    private func answerAll() {
        while !broker.unanswered.isEmpty { answer() }
        observe()
    }

    /// It obeys again.
    private func probe() throws(TestKitError) {
        send(try backEnd.publish([device.operator], commands: [pulse.name, set.name], whileSuspended: true))
        try settleOnce()
        try settleOnce()
        let command = Command(name: pulse.name, arguments: [.integer(7)])
        let order = SimulatedOrder(
            key: CommandKey(controller: device.operator.key.keyID, id: random.bytes16()), command: command,
            isIdempotent: false, controller: device.operator, losses: books.losses)
        books.add(order)
        var tries = 0
        while order.effects == 0, tries < 6, problem == nil {
            if let challenge = backEnd.challenge { send(try backEnd.sign(order, challenge)) }
            try settleOnce()
            if order.effects == 0 { wait(Challenge.period) }
            try settleOnce()
            tries += 1
        }
        if order.effects != 1 || !order.isReported {
            books.fail("a command was not carried out on a calm day", UInt64(order.effects))
        }
    }
}
