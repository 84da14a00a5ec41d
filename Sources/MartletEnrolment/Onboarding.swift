// SPDX-License-Identifier: Apache-2.0

/// What a device does next to get its first or next certificate, as far as the registrar's answers decide it (RFC 7030
/// §4).
///
/// The authorities are asked for before the certificate: so a path that is wrong is found out before the token is sent,
/// and intermediate certificates that come with no enrolment are known. Then what a request should have (§4.5): whether
/// the device's key would be refused is found out before the token is sent, too.
public struct Onboarding: Sendable {
    public enum Step: Hashable, Sendable {
        /// The authorities are asked for without knowing who answers, and nothing else is said.
        case bootstrap
        /// The certificate that the label names is looked for in this PKCS #7, then `proceed`.
        case trust([UInt8])
        /// The registrar, verified, is asked. A token goes with `enrol` alone.
        case ask(ESTServer.Operation)
        /// So many seconds pass, then `proceed`.
        case wait(UInt32)
        /// It takes longer than may be waited: this is to be begun again, not sooner than in so many seconds.
        case pending(UInt32)
        /// What was issued is to be found in this PKCS #7, its issuers in it or in `authorities`.
        case judge([UInt8])
    }

    public private(set) var step: Step
    /// A PKCS #7, from the registrar; empty before it was asked.
    public private(set) var authorities: [UInt8] = []
    /// What comes after a wait.
    private var next: Step
    /// Seconds that may still be waited.
    private var patience: UInt32
    /// What is asked for at last.
    private let goal: ESTServer.Operation
    private let isKeyKnown: Bool

    /// - Parameters:
    ///   - goal: `enrol`, or `renew` for a device that has a certificate.
    ///   - isPinned: whether the authority is known by its fingerprint alone, so that its certificate must be fetched.
    ///   - isKeyKnown: whether the registrar certified the key before. What it demands of a key is then not asked.
    ///   - patience: seconds to wait, in all.
    public init(
        for goal: ESTServer.Operation = .enrol, isPinned: Bool = false, isKeyKnown: Bool = false, patience: UInt32
    ) {
        self.goal = goal
        self.isKeyKnown = isKeyKnown
        step = isPinned ? .bootstrap : .ask(.authorities)
        next = step
        self.patience = patience
    }

    /// Takes the answer to `bootstrap` or `ask`.
    public mutating func take(_ answer: ESTAnswer) throws(EnrolmentError) {
        let operation: ESTServer.Operation
        if case .ask(let asked) = step { operation = asked } else { operation = .authorities }
        switch try answer.meaning(for: operation) {
        case .later(let seconds):
            next = step
            if seconds > patience {
                step = .pending(seconds)
            } else {
                patience -= seconds
                step = .wait(seconds)
            }
        case .attributes(let der):
            if !der.isEmpty { try CSRAttributes.judge(der) }
            step = .ask(goal)
        case .certificates(let bag):
            if case .bootstrap = step {
                step = .trust(bag)
                next = .ask(.authorities)
            } else if operation == .authorities {
                authorities = bag
                step = .ask(isKeyKnown ? goal : .attributes)
            } else {
                step = .judge(bag)
            }
        }
    }

    /// What `trust` or `wait` asked for is done.
    public mutating func proceed() { step = next }
}
