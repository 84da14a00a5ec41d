// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

@Suite struct GateTests {
    @Test("CMD-01 the stale answer carries the current challenge and the command's id and hash")
    func staleAnswer() throws {
        let bench = try Bench()
        var id: Bytes16?
        let message = try bench.command {
            $0.nonce = bytes16(9)
            id = $0.id
        }
        let receipt = try #require(bench.receipt(message))
        #expect(receipt.outcome == .stale && receipt.challenge == bench.moment.challenge && receipt.command == id)
        #expect(receipt.controller == bench.controller.key.keyID)
        // No other answer says it.
        bench.moment.isResumed = false
        let early = try #require(bench.receipt(bench.command()))
        #expect(early.outcome == .notReady && early.challenge == nil)
    }

    @Test("CMD-01 a stale command does not use up its sequence number")
    func staleDoesNotConsume() throws {
        let bench = try Bench()
        #expect(try bench.judge(bench.command { ($0.sequence, $0.nonce) = (5, bytes16(9)) }) == .answered(.stale))
        #expect(try bench.judge(bench.command { $0.sequence = 5 }) == .accepted)
    }

    @Test("CMD-01 a command with an old challenge and a bad signature is not answered")
    func staleForged() throws {
        let bench = try Bench()
        var message = try bench.command { $0.nonce = bytes16(9) }
        message[message.count - 1] ^= 1
        #expect(bench.judge(message) == .dropped(.badSignature))
    }

    @Test("CMD-07 a flood of stale commands is answered rarely and does not lock out a valid one")
    func staleFlood() throws {
        let bench = try Bench()
        let stale = try bench.command { $0.nonce = bytes16(9) }
        var answers = 0
        for _ in 0..<10_000 {
            // A thousand each second.
            bench.moment.now += 1
            if bench.judge(stale) == .answered(.stale) { answers += 1 }
        }
        #expect((5...16).contains(answers), "\(answers) answers in 10 s")
        #expect(try bench.judge(bench.command()) == .accepted)
    }

    @Test(
        "CMD-07 garbage under an operator's name costs a bounded number of signatures and locks out for a moment only")
    func garbage() throws {
        let bench = try Bench()
        var forged = try bench.command()
        forged[forged.count - 1] ^= 1
        for _ in 0..<10_000 {
            bench.moment.now += 1
            _ = bench.judge(forged)
        }
        #expect((200...241).contains(bench.gate.refusals[.badSignature]))
        bench.moment.now += 1000
        #expect(try bench.judge(bench.command()) == .accepted)
    }

    @Test("CLK-06 while the clock is not trusted, the challenge alone decides")
    func untrustedClock() throws {
        let bench = try Bench()
        bench.moment.trustedTime = nil
        #expect(try bench.judge(bench.command { $0.expires = 1 }) == .accepted)
        #expect(try bench.judge(bench.command { $0.notBefore = 1 << 40 }) == .accepted)
        #expect(try bench.judge(bench.command { ($0.expires, $0.nonce) = (1 << 40, bytes16(9)) }) == .answered(.stale))
    }

    @Test func `a command is valid from its notBefore on and until before its expiry`() throws {
        let bench = try Bench()
        let window: (inout Claims) -> Void = { ($0.notBefore, $0.expires) = (1000, 2000) }
        let expected: [(UInt64, Judged)] = [
            (999, .answered(.notYetValid)), (1000, .accepted), (1999, .accepted), (2000, .answered(.expired)),
        ]
        for (time, verdict) in expected {
            bench.moment.trustedTime = time
            #expect(try bench.judge(bench.command(window)) == verdict, "\(time)")
        }
    }

    @Test("CMD-02 the very same message is executed once")
    func same() throws {
        let bench = try Bench()
        let message = try bench.command()
        #expect(bench.judge(message) == .accepted)
        for _ in 0..<100 { #expect(bench.judge(message) == .dropped(.replayed)) }
    }

    @Test("CMD-03 the same id with a new sequence number gets its receipt again, never a second execution")
    func sameID() throws {
        let bench = try Bench()
        let id = bytes16(42)
        let first = try bench.command { $0.id = id }
        guard case .accepted(let command, _) = bench.gate.judge(first.span, isRetained: false, bench.moment) else {
            Issue.record("not accepted")
            return
        }
        #expect(try bench.judge(bench.command { $0.id = id }) == .running)
        let entry = try #require(bench.gate.finish(command.key, .done, results: [.integer(7)]))
        let receipt = try #require(entry.receipt)
        #expect(receipt.command == id && receipt.results == [.integer(7)])
        // Not before the outcome is durable.
        #expect(try bench.judge(bench.command { $0.id = id }) == .running)
        bench.gate.ledger.endedAreDurable()
        #expect(bench.gate.finish(command.key, .failed) == nil)
        for _ in 0..<3 { #expect(try bench.receipt(bench.command { $0.id = id }) == receipt) }
    }

    @Test func `the same id of another controller is another command`() throws {
        let bench = try Bench()
        let other = try TestController(name: bytes("urn:example:two"), role: .operate, audience: Bench.device, seed: 3)
        let policy = try bench.trust.policy([bench.controller, other], commands: [bytes("go")])
        let gate = CommandGate(root: bench.trust.root, policy: policy, now: 0)
        let declaration = try #require(CommandDeclaration(name: bytes("go"), parameters: []))
        #expect(gate.declare(declaration) == 0)
        for controller in [bench.controller, other] {
            var claims = controller.commandClaims(bench.moment.challenge)
            claims.id = bytes16(1)
            let message = try controller.command(Command(name: bytes("go")), claims)
            guard case .accepted(let command, _) = gate.judge(message.span, isRetained: false, bench.moment) else {
                Issue.record("not accepted")
                continue
            }
            #expect(command.key == CommandKey(controller: controller.key.keyID, id: bytes16(1)))
        }
    }

    @Test("CMD-01 a verified command uses up its sequence number whatever the verdict")
    func refusedConsumes() throws {
        let bench = try Bench()
        bench.moment.isResumed = false
        let message = try bench.command()
        #expect(bench.judge(message) == .answered(.notReady))
        bench.moment.isResumed = true
        #expect(bench.judge(message) == .dropped(.replayed))
        let bad = try bench.command([.integer(0)])
        #expect(bench.judge(bad) == .answered(.badArguments))
        #expect(bench.judge(bad) == .dropped(.replayed))
    }

    @Test func `a dropped command leaves no trace`() throws {
        let bench = try Bench()
        let message = try bench.command()
        var forged = message
        forged[forged.count - 1] ^= 1
        #expect(bench.judge(forged) == .dropped(.badSignature))
        #expect(bench.judge(message, isRetained: true) == .dropped(.retained))
        #expect(bench.judge(message) == .accepted)
    }

    @Test func `a gateway's rate and an operator's are apart`() throws {
        let bench = try Bench()
        for _ in 0..<20 { #expect(try bench.judge(bench.command()) == .accepted) }
        let claims = bench.gateway.commandClaims(bench.moment.challenge)
        let message = try bench.gateway.command(Command(name: bytes("set-interval")), claims)
        #expect(bench.judge(message) == .answered(.notAuthorised))
        #expect(try bench.judge(bench.command()) == .answered(.rateLimited))
        bench.moment.now += 100
        #expect(try bench.judge(bench.command()) == .accepted)
    }

    @Test func `an accepted command carries what its handler needs`() throws {
        let bench = try Bench([.number(0...10), .choice(["on", "off"])])
        let command = Command(
            name: bytes("set-interval"), arguments: [.integer(5), .text(bytes("off"))], deadline: 30, priority: 2)
        let message = try bench.controller.command(command, bench.moment.challenge)
        guard case .accepted(let accepted, _) = bench.gate.judge(message.span, isRetained: false, bench.moment) else {
            Issue.record("not accepted")
            return
        }
        #expect(accepted.index == 0 && accepted.priority == 2)
        // Whoever sends 5 means 5.0; the deadline counts from now.
        #expect(accepted.arguments == [.number(5), .text(bytes("off"))])
        #expect(accepted.deadline == bench.moment.now + 30_000)
    }

    @Test func `two declarations cannot have one name`() throws {
        let bench = try Bench()
        #expect(
            bench.gate.declare(try #require(CommandDeclaration(name: bytes("set-interval"), parameters: []))) == nil)
        #expect(bench.gate.declare(try #require(CommandDeclaration(name: bytes("other"), parameters: []))) == 1)
    }

    @Test(arguments: [
        [CommandValue](repeating: .integer(1), count: 9), [.number(.nan)], [.number(.infinity)],
        [.text([UInt8](repeating: 0x61, count: 1025))], [.data([UInt8](repeating: 0, count: 1025))], [.text([0xff])],
    ])
    func `results that no receipt can carry are left out, and the outcome is told`(_ results: [CommandValue]) throws {
        let bench = try Bench()
        let message = try bench.command()
        guard case .accepted(let command, _) = bench.gate.judge(message.span, isRetained: false, bench.moment) else {
            Issue.record("not accepted")
            return
        }
        let receipt = try #require(bench.gate.finish(command.key, .done, results: results)?.receipt)
        #expect(receipt.outcome == .done && receipt.results.isEmpty)
        let encoded = try #require(receipt.encoded())
        #expect(try Receipt(decoding: encoded.span) == receipt)
    }

    @Test func `the ledger forgets acknowledged commands only, the oldest first`() throws {
        let bench = try Bench()
        var keys: [CommandKey] = []
        func accept() throws -> CommandKey {
            bench.moment.now += 1000
            let message = try bench.command()
            guard case .accepted(let command, _) = bench.gate.judge(message.span, isRetained: false, bench.moment)
            else {
                throw TestKitError.message
            }
            return command.key
        }
        let running = try accept()
        for _ in 0..<200 {
            let key = try accept()
            keys.append(key)
            #expect(bench.gate.finish(key, .done) != nil)
            bench.gate.ledger.endedAreDurable()
            #expect(bench.gate.ledger.takeRecorded()?.key == key)
            #expect(bench.gate.ledger.acknowledge(key)?.key == key)
        }
        bench.moment.now += 1000
        #expect(try bench.judge(bench.command { $0.id = running.id }) == .running)
        #expect(try bench.judge(bench.command { $0.id = keys[199].id }) == .answered(.done))
        #expect(try bench.judge(bench.command { $0.id = keys[199 - 126].id }) == .answered(.done))
    }

    // MARK: Resume

    @Test func `a resume is taken from a gateway, bound to a current challenge`() throws {
        let bench = try Bench()
        let resume = Resume(time: 1_800_000_000)
        for nonce in [bytes16(1), bytes16(2)] {
            let message = try bench.gateway.resume(resume, nonce)
            #expect(bench.gate.judgeResume(message.span, isRetained: false, bench.moment) == resume)
        }
        #expect(bench.gate.refusals.total == 0)
    }

    @Test("CMD-01 a resume that must not be believed is dropped under its own code")
    func refusedResumes() throws {
        let resume = Resume(time: 1_800_000_000)
        let other = try TestController(
            name: bytes("urn:example:gateway"), role: .gateway, audience: Bench.device, seed: 9)
        let table: [(String, Refusal, Bool, (Bench) throws -> [UInt8])] = [
            ("retained", .retained, true, { try $0.gateway.resume(resume, bytes16(1)) }),
            ("an operator's key", .unknownKey, false, { try $0.controller.resume(resume, bytes16(1)) }),
            ("a key that is not configured", .unknownKey, false, { _ in try other.resume(resume, bytes16(1)) }),
            ("an old challenge", .replayed, false, { try $0.gateway.resume(resume, bytes16(3)) }),
            ("no challenge", .incomplete, false, { try $0.gateway.seal(Claims(purpose: .resume), resume.encoded()) }),
            ("a command", .wrongPurpose, false, { try $0.command() }),
            (
                "another device", .wrongAudience, false,
                {
                    $0.gateway.audience = bytes("urn:dev:ops:32473-device-2")
                    return try $0.gateway.resume(resume, bytes16(1))
                }
            ),
            (
                "a bad signature", .badSignature, false,
                {
                    var message = try $0.gateway.resume(resume, bytes16(1))
                    message[message.count - 1] ^= 1
                    return message
                }
            ),
            (
                "a payload that is no resume", .malformed, false,
                {
                    var claims = Claims(purpose: .resume)
                    claims.nonce = bytes16(1)
                    return try $0.gateway.seal(claims, [0xa0])
                }
            ),
            ("too large", .tooLarge, false, { _ in [UInt8](repeating: 0, count: 16 * 1024 + 1) }),
        ]
        for (why, refusal, isRetained, make) in table {
            let bench = try Bench()
            let message = try make(bench)
            #expect(bench.gate.judgeResume(message.span, isRetained: isRetained, bench.moment) == nil, "\(why)")
            #expect(bench.gate.refusals[refusal] == 1 && bench.gate.refusals.total == 1, "\(why)")
        }
    }

    @Test func `every prefix and every bit flip of a resume is dropped`() throws {
        let bench = try Bench()
        let message = try bench.gateway.resume(Resume(time: 1_800_000_000), bytes16(1))
        for count in 0..<message.count {
            #expect(
                bench.gate.judgeResume(message.span.extracting(first: count), isRetained: false, bench.moment) == nil)
        }
        for bit in 0..<message.count * 8 {
            var flipped = message
            flipped[bit / 8] ^= 1 << UInt8(bit % 8)
            bench.moment.now += 1000
            #expect(bench.gate.judgeResume(flipped.span, isRetained: false, bench.moment) == nil, "bit \(bit)")
        }
        #expect(bench.gate.judgeResume(message.span, isRetained: false, bench.moment) != nil)
    }
}
