// SPDX-License-Identifier: Apache-2.0

internal import MartletCommands
internal import MartletEnvelope
internal import MartletJournal
internal import MartletMessages
internal import MartletSession
internal import MartletState

/// What goes wrong: power, disk, clocks, connections.
extension SimulatedWorld {
    // MARK: Connections

    func breakNetwork() {
        switch random.below(5) {
        case 0...2: breakConnection()
        case 3:
            books.totals.count(.brokerRestart)
            say("the broker restarts")
            breakConnection()
            broker.backEndReturns()
        default:
            books.totals.count(.brokerLoss)
            say("the broker restarts without its store")
            breakConnection()
            for message in broker.inbox { _ = backEnd.enter(message) }
            broker.forget()
        }
    }

    /// The connection breaks. What the device sent may have arrived, as far as it goes.
    func breakConnection() {
        connectionBreaks()
        if device.link.state == .closed { return }
        books.totals.count(.brokenConnection)
        say("the connection breaks")
        device.disconnect()
    }

    private func connectionBreaks() {
        for message in device.link.unacknowledged where !broker.hasTaken(message.id) {
            if random.oneIn(2) { break }
            broker.take(message, code: 0)
        }
        broker.connectionEnded()
    }

    // MARK: Clocks

    func stepClock() {
        books.totals.count(.clockStep)
        let day: Int64 = 86_400_000
        switch random.below(4) {
        case 0: device.settings.clock.system = Int64(random.below(1000))
        case 1: device.settings.clock.system = time
        default: device.settings.clock.system += Int64(random.below(UInt64(20 * day))) - 10 * day
        }
        say("the system clock steps to", UInt64(clamping: device.settings.clock.system))
    }

    // MARK: Power

    func disturbPower() throws(TestKitError) {
        switch random.below(10) {
        case 0:
            books.totals.count(.kill)
            say("the program is killed")
            ends()
            try start()
        case 1:
            books.totals.count(.stop)
            say("the program stops")
            device.engine.beginStop()
            device.engine.finishStop(now)
            observe()
            if disk.isOff { return }
            ends()
            device.link.didClose()
            try start()
        case 2:
            if weather.losesState { try powerReturns() }
        case 3...7:
            // At the next steps of the disk, whatever they are.
            if weather.cutsPower { disk.cutAfter = disk.steps + below(random.oneIn(2) ? 6 : 40) }
        default:
            if weather.cutsPower { try powerReturns() }
        }
    }

    /// The power went, by now at the latest, and comes back.
    func powerReturns() throws(TestKitError) {
        books.totals.count(.powerCut)
        say("the power is cut at step", UInt64(disk.steps))
        ends()
        if disk.isOff { quota.losesPower() }
        disk.restart(SimulatedDisk.Cut.allCases[below(SimulatedDisk.Cut.allCases.count)])
        if weather.losesState { loseState() }
        reboot()
        try start()
    }

    /// The program is gone, and its handlers.
    private func ends() {
        observe()
        connectionBreaks()
        books.totals.add(device.engine.gate.refusals)
        handlings = []
    }

    private func reboot() {
        let outage = Int64(random.below(random.oneIn(3) ? 3_600_000 : 60_000))
        let real = time + outage
        device.settings.clock.boot = 5000 + random.below(30_000)
        device.settings.bootID = random.bytes16()
        bootOrigin = real - Int64(device.settings.clock.boot)
        device.settings.clock.system += outage
        if weather.movesClocks, random.oneIn(3) { device.settings.clock.system = Int64(random.below(100_000)) }
    }

    /// Starts the program, with further cuts on the way.
    private func start() throws(TestKitError) {
        var tries = 0
        while true {
            tries += 1
            device.settings.entropy = twin?.entropy(seed: seed, life: books.life + tries)
            disk.fault = nil
            let cuts = weather.cutsPower && tries < 4 && random.oneIn(4)
            if cuts { disk.cutAfter = disk.steps + below(30) }
            do throws(TestKitError) {
                try device.restart()
                if !disk.isOff { break }
            } catch {
                if !disk.isOff { throw error }
            }
            books.totals.count(.cutInRecovery)
            say("the power is cut during recovery at step", UInt64(disk.steps))
            disk.restart(SimulatedDisk.Cut.allCases[below(SimulatedDisk.Cut.allCases.count)])
            reboot()
        }
        didStart()
    }

    func didStart() {
        plant()
        watchQuota()
        device.owner.logLevel = listener == nil ? .error : .debug
        seenCalls = 0
        seenMessages = 0
        seenLines = 0
        books.didStart(trustVersion: device.engine.gate.trustVersion, damage: device.run.state.damage)
        say("the program runs")
    }

    // MARK: The disk

    /// An operation of the disk fails, or all do from one on, until the next start; or all goes well again.
    func failDisk() {
        if disk.fault != nil {
            disk.fault = nil
            return
        }
        books.totals.count(.diskError)
        say("the disk fails soon")
        let errors: [StorageError] = [.failed(5), .failed(5), .full]
        disk.fault = SimulatedDisk.Fault(
            disk.operations + 1 + below(12), errors[below(3)], isSticky: random.oneIn(2))
    }

    /// Keeps a copy of the disk.
    func copyDisk() {
        if !weather.losesState || disk.isOff { return }
        if images.count >= 4 { images.remove(at: below(images.count)) }
        images.append(disk.image)
        say("a copy of the disk is made")
    }

    private func loseState() {
        if random.oneIn(3) {
            damage()
        } else if random.oneIn(2), !images.isEmpty {
            books.totals.count(.restore)
            say("an older image is restored")
            disk.restore(images[below(images.count)])
            didLose()
        }
    }

    private func didLose() {
        books.didLose()
        quota.forget()
    }

    /// Flips bits, truncates or removes a segment.
    private func damage() {
        var image = disk.image
        if image.isEmpty { return }
        books.totals.count(.damage)
        didLose()
        let index = below(image.count)
        switch random.below(6) {
        case 0:
            say("a segment is removed")
            image.remove(at: index)
        case 1:
            say("a segment is truncated")
            image[index].bytes.removeLast(below(image[index].bytes.count + 1))
        case 2:
            say("everything is removed")
            image = []
        default:
            say("bits of a segment are flipped")
            let size = image[index].bytes.count
            if size == 0 { break }
            for _ in 0...below(3) {
                let place = below(random.oneIn(2) ? size : min(size, 4096))
                image[index].bytes[place] ^= 1 << UInt8(random.below(8))
            }
        }
        disk.restore(image)
    }
}
