// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope
internal import MartletMessages
internal import MartletReplayWindow

/// A key that the trust document names, with what it may do. A certificate authority is never a controller, nor is a
/// device.
public final class Controller {
    /// The claim `iss` of its messages.
    public let name: [UInt8]
    public let keyID: KeyID
    public let key: any Verifier
    /// Whether it answers births (`resume`): tells the time and what the back end has seen.
    public let isGateway: Bool

    /// Sequence numbers of its commands in this run.
    var window = ReplayWindow()
    /// Verified commands.
    var rate = TokenBucket(rate: 10, burst: 20, now: 0)
    /// The rule that the newest command was charged to.
    private var charged: Grant?
    /// The rules of its roles.
    private let grants: [Grant]

    /// `roles`: those of the whole document.
    init(_ controller: TrustDocument.Controller, key: any Verifier, roles: [TrustDocument.Role]) {
        name = controller.name
        keyID = controller.key.id
        self.key = key
        var isGateway = false
        var grants: [Grant] = []
        for name in controller.roles {
            if name.span.isEqual(to: TrustDocument.gatewayRole) { isGateway = true }
            for role in roles where role.name == name {
                for rule in role.rules { grants.append(Grant(rule)) }
            }
        }
        self.isGateway = isGateway
        self.grants = grants
    }

    /// Takes over what the same key did under the document before: what was seen stays seen, what was spent is spent.
    func goOn(from old: Controller) {
        window = old.window
        rate = old.rate
        for grant in grants {
            for other in old.grants where other.rule == grant.rule { grant.bucket = other.bucket }
        }
    }

    /// Whether any rule names the command for this state of the device.
    func mayAsk(for command: [UInt8], isSuspended: Bool) -> Bool {
        grants.contains { $0.applies(to: command, isSuspended) }
    }

    /// Whether a rule admits the command, rates aside.
    func allows(_ command: [UInt8], _ arguments: [CommandValue], isSuspended: Bool) -> Bool {
        grants.contains { $0.applies(to: command, isSuspended) && $0.rule.allows(arguments) }
    }

    /// Why no rule admits the command; nil if one does, which is then charged.
    func refusal(
        of command: [UInt8], _ arguments: [CommandValue], isSuspended: Bool, now: UInt64
    ) -> Outcome? {
        var refusal = Outcome.outOfPolicy
        for grant in grants where grant.applies(to: command, isSuspended) && grant.rule.allows(arguments) {
            if grant.bucket?.take(now: now) ?? true {
                charged = grant
                return nil
            }
            refusal = .rateLimited
        }
        return refusal
    }

    /// The newest command that a rule admitted is not carried out: it does not count.
    func refund() {
        charged?.bucket?.giveBack()
        charged = nil
    }
}

/// A rule in force for one controller.
private final class Grant {
    let rule: TrustDocument.Rule
    /// nil: no rate of its own.
    var bucket: TokenBucket?

    init(_ rule: TrustDocument.Rule) {
        self.rule = rule
        bucket = rule.rate.map { TokenBucket(count: $0.count, seconds: $0.seconds) }
    }

    func applies(to command: [UInt8], _ isSuspended: Bool) -> Bool {
        rule.command.isEqual(to: command.span) && (isSuspended ? rule.whileSuspended : rule.whileActive)
    }
}
