// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletEnvelope
import MartletMessages
import MartletTestKit
import Testing

/// What policy allows, beside what the handler declares.
@Suite struct PolicyTests {
    private typealias Rule = TrustDocument.Rule
    private static let command = bytes("set-interval")

    /// A gate whose operator has these rules, in one role or more.
    private func bench(_ roles: [[Rule]]) throws -> Bench {
        let bench = try Bench([.integer(0...100), .choice(["on", "off"])])
        var document = bench.trust.document(version: 2, [bench.controller, bench.gateway], commands: [])
        document.policy = roles.enumerated().map { index, rules in
            TrustDocument.Role(name: bytes("role-\(index)"), rules: rules)
        }
        document.controllers[0].roles = document.policy.map(\.name)
        try adopt(document, bench)
        return bench
    }

    private func adopt(_ document: TrustDocument, _ bench: Bench) throws {
        let message = try bench.trust.message(document)
        guard case .successor(let policy, _) = bench.gate.judgeTrust(message.span, bench.moment) else {
            Issue.record("not taken")
            return
        }
        bench.gate.adopt(policy)
    }

    private func judge(_ bench: Bench, _ arguments: [CommandValue] = [.integer(5), .text(bytes("on"))]) throws -> Judged
    {
        bench.judge(try bench.command(arguments))
    }

    @Test("CMD-01 what no rule names is refused")
    func defaultDeny() throws {
        #expect(try judge(bench([[]])) == .answered(.notAuthorised))
        #expect(try judge(bench([[Rule(command: bytes("set"))]])) == .answered(.notAuthorised))
        #expect(try judge(bench([[Rule(command: bytes("set-interval2"))]])) == .answered(.notAuthorised))
        #expect(try judge(bench([[Rule(command: Self.command)]])) == .accepted)
        // Rules of a role that the controller does not have.
        let bench = try bench([[Rule(command: bytes("set"))], [Rule(command: Self.command)]])
        var document = try #require(bench.gate.policy?.document)
        document.version += 1
        document.controllers[0].roles.removeLast()
        try adopt(document, bench)
        #expect(try judge(bench) == .answered(.notAuthorised))
    }

    @Test("CMD-01 the role of the gateway does not command, and other roles do not answer births")
    func gatewayRole() throws {
        let bench = try Bench()
        let message = try bench.gateway.command(
            Command(name: Self.command, arguments: [.integer(60)]), bench.moment.challenge)
        #expect(bench.judge(message) == .answered(.notAuthorised))
        let resume = try bench.controller.resume(Resume(time: 1_800_000_000), bench.moment.challenge)
        #expect(bench.gate.judgeResume(resume.span, isRetained: false, bench.moment) == nil)
        // Both roles, for whoever has both.
        var document = bench.trust.document(version: 2, [bench.controller], commands: [Self.command])
        document.controllers[0].roles.append(TestRole.gateway.name)
        try adopt(document, bench)
        #expect(bench.gate.judgeResume(resume.span, isRetained: false, bench.moment) != nil)
        #expect(try bench.judge(bench.command()) == .accepted)
    }

    @Test("CMD-01 the state of the device decides which rules hold")
    func states() throws {
        let cases: [(active: Bool, suspended: Bool)] = [(true, false), (false, true), (true, true)]
        for (active, suspended) in cases {
            let bench = try bench([[Rule(command: Self.command, whileActive: active, whileSuspended: suspended)]])
            #expect(try judge(bench) == (active ? .accepted : .answered(.notAuthorised)))
            bench.moment.isSuspended = true
            #expect(try judge(bench) == (suspended ? .accepted : .answered(.notAuthorised)))
        }
    }

    @Test("CMD-01 arguments must be within the handler's declaration, then within the rule")
    func ranges() throws {
        let rule = Rule(command: Self.command, arguments: [[.integer(2), .integer(9)], [.text(bytes("on"))]])
        let table: [([CommandValue], Judged)] = [
            ([.integer(2), .text(bytes("on"))], .accepted), ([.integer(9), .text(bytes("on"))], .accepted),
            ([.integer(1), .text(bytes("on"))], .answered(.outOfPolicy)),
            ([.integer(10), .text(bytes("on"))], .answered(.outOfPolicy)),
            ([.integer(5), .text(bytes("off"))], .answered(.outOfPolicy)),
            ([.integer(101), .text(bytes("on"))], .answered(.badArguments)),
            ([.integer(5), .text(bytes("maybe"))], .answered(.badArguments)),
            ([.integer(5)], .answered(.badArguments)),
        ]
        for (arguments, verdict) in table { #expect(try judge(bench([[rule]]), arguments) == verdict) }
        // A rule for another number of arguments admits nothing.
        let other = Rule(command: Self.command, arguments: [[]])
        #expect(try judge(bench([[other]])) == .answered(.outOfPolicy))
        // Any rule of any role will do.
        let third = Rule(command: Self.command, arguments: [[.integer(0), .integer(0)], []])
        let bench = try bench([[other, rule], [third]])
        #expect(try judge(bench, [.integer(0), .text(bytes("off"))]) == .accepted)
        #expect(try judge(bench, [.integer(9), .text(bytes("on"))]) == .accepted)
        #expect(try judge(bench, [.integer(1), .text(bytes("off"))]) == .answered(.outOfPolicy))
    }

    @Test("CMD-01 a rule's rate holds for each controller, and stays spent under the next document")
    func rates() throws {
        let rule = Rule(command: Self.command, rate: TrustDocument.Rate(count: 2, seconds: 10))
        let bench = try bench([[rule]])
        #expect(try judge(bench) == .accepted && judge(bench) == .accepted)
        #expect(try judge(bench) == .answered(.rateLimited))
        // A refusal for other reasons costs nothing.
        #expect(try judge(bench, [.integer(101), .text(bytes("on"))]) == .answered(.badArguments))
        var document = try #require(bench.gate.policy?.document)
        document.version += 1
        try adopt(document, bench)
        bench.moment.now += 4999
        #expect(try judge(bench) == .answered(.rateLimited))
        bench.moment.now += 1
        #expect(try judge(bench) == .accepted && judge(bench) == .answered(.rateLimited))
        // Nor does what could not be made durable, whether it may come again or not.
        bench.moment.now += 5000
        let message = try bench.command([.integer(5), .text(bytes("on"))])
        for mayComeAgain in [true, true, false] {
            guard case .accepted(let command, _) = bench.gate.judge(message.span, isRetained: false, bench.moment)
            else {
                Issue.record("not accepted")
                return
            }
            bench.gate.withdraw(command.key, mayComeAgain: mayComeAgain)
        }
        #expect(try judge(bench) == .accepted && judge(bench) == .answered(.rateLimited))
        // Another rate is another rule, and begins full.
        document.version += 1
        document.policy[0].rules[0].rate?.count = 1
        try adopt(document, bench)
        #expect(try judge(bench) == .accepted && judge(bench) == .answered(.rateLimited))
    }
}
