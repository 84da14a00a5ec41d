// SPDX-License-Identifier: Apache-2.0

public import MartletCOSE
public import MartletEnvelope

/// Who may command what: the payload of purpose `trust`, signed by root keys.
///
/// What a decoded document says obeys every limit here, and no two of its keys have one kid.
public struct TrustDocument: Equatable, Sendable {
    public static let maximumRoots = 4
    public static let maximumControllers = 16
    /// Roles of one controller.
    public static let maximumRoles = 8
    /// Rules of all roles together.
    public static let maximumRules = 32
    /// Bytes of an encoded public key; those that a device takes have 91 (P-256) or 44 (Ed25519).
    public static let maximumKeySize = 128
    /// Versions stay below: far from overflow.
    public static let maximumVersion: UInt64 = 1 << 62
    /// The role that answers births. It is built in: it has no rules, and does not command.
    public static let gatewayRole: StaticString = "gateway"

    /// A public key.
    public struct Key: Equatable, Sendable {
        /// DER SubjectPublicKeyInfo. Whether it is a key at all is for `KeyReading` to say.
        public let spki: [UInt8]
        public let id: KeyID

        public init(_ spki: [UInt8], hashing: any Hashing) {
            self.spki = spki
            id = KeyID(ofKey: hashing.sha256(spki.span))
        }
    }

    public struct Controller: Equatable, Sendable {
        /// The claim `iss` of its messages; obeys `PartyName`.
        public var name: [UInt8]
        public var key: Key
        /// Each as a command's name, `[a-z][a-z0-9-]{0,31}`.
        public var roles: [[UInt8]]

        public init(name: [UInt8], key: Key, roles: [[UInt8]]) {
            self.name = name
            self.key = key
            self.roles = roles
        }
    }

    /// At most `count` commands within `seconds`, for each controller.
    public struct Rate: Equatable, Sendable {
        public static let maximumCount: UInt64 = 1000
        /// A day.
        public static let maximumSeconds: UInt64 = 86_400

        public var count: UInt64
        public var seconds: UInt64

        public init(count: UInt64, seconds: UInt64) {
            self.count = count
            self.seconds = seconds
        }
    }

    /// A command that a role may send, and when.
    public struct Rule: Equatable, Sendable {
        public var command: [UInt8]
        /// nil: only the rate that holds for every controller.
        public var rate: Rate?
        /// One for each argument: empty if any value goes, least and greatest number, or the texts that are allowed.
        /// nil: any arguments.
        public var arguments: [[CommandValue]]?
        public var whileActive: Bool
        public var whileSuspended: Bool

        public init(
            command: [UInt8], rate: Rate? = nil, arguments: [[CommandValue]]? = nil, whileActive: Bool = true,
            whileSuspended: Bool = false
        ) {
            self.command = command
            self.rate = rate
            self.arguments = arguments
            self.whileActive = whileActive
            self.whileSuspended = whileSuspended
        }
    }

    /// The rules of one role.
    public struct Role: Equatable, Sendable {
        public var name: [UInt8]
        public var rules: [Rule]

        public init(name: [UInt8], rules: [Rule]) {
            self.name = name
            self.rules = rules
        }
    }

    public var version: UInt64
    public var roots: [Key]
    /// How many roots must sign the next document, and this one.
    public var threshold: Int
    public var controllers: [Controller]
    public var policy: [Role]

    public init(version: UInt64, roots: [Key], threshold: Int, controllers: [Controller], policy: [Role]) {
        self.version = version
        self.roots = roots
        self.threshold = threshold
        self.controllers = controllers
        self.policy = policy
    }

    /// Why the document cannot be: the key of the member concerned; nil if it obeys every rule.
    var fault: UInt64? {
        if version == 0 || version > Self.maximumVersion { return 0 }
        if !(1...Self.maximumRoots).contains(roots.count) { return 1 }
        if !(1...roots.count).contains(threshold) { return 2 }
        if controllers.count > Self.maximumControllers { return 3 }
        var ids: [KeyID] = []
        for index in 0..<roots.count + controllers.count {
            let member: UInt64 = index < roots.count ? 1 : 3
            let key = index < roots.count ? roots[index] : controllers[index - roots.count].key
            if key.spki.isEmpty || key.spki.count > Self.maximumKeySize || ids.contains(key.id) { return member }
            ids.append(key.id)
        }
        for controller in controllers where !controller.isValid { return 3 }
        var rules = 0
        for index in policy.indices {
            let name = policy[index].name
            // What the built-in role may do is no matter of policy.
            if !Command.isValidName(name.span) || name.span.isEqual(to: Self.gatewayRole) { return 4 }
            for other in 0..<index where policy[other].name == name { return 4 }
            for rule in policy[index].rules where !rule.isValid { return 4 }
            rules += policy[index].rules.count
        }
        return rules > Self.maximumRules ? 4 : nil
    }
}

extension TrustDocument.Controller {
    fileprivate var isValid: Bool {
        if !PartyName.isValid(name.span) || !(1...TrustDocument.maximumRoles).contains(roles.count) { return false }
        for index in roles.indices {
            let role = roles[index]
            if !Command.isValidName(role.span) { return false }
            for other in 0..<index where roles[other] == role { return false }
        }
        return true
    }
}

extension TrustDocument.Rule {
    fileprivate var isValid: Bool {
        if !Command.isValidName(command.span) || !(whileActive || whileSuspended) { return false }
        if let rate {
            if rate.count == 0 || rate.count > TrustDocument.Rate.maximumCount { return false }
            if rate.seconds == 0 || rate.seconds > TrustDocument.Rate.maximumSeconds { return false }
        }
        guard let arguments else { return true }
        if arguments.count > Command.maximumArguments { return false }
        for limit in arguments where !Self.isValid(limit) { return false }
        return true
    }

    /// Nothing, two numbers in order, or texts.
    private static func isValid(_ limit: [CommandValue]) -> Bool {
        var texts = 0
        for case .text(let text) in limit where text.isText(limit: Command.maximumValueLength) { texts += 1 }
        if texts == limit.count { return texts <= Command.maximumArguments }
        return limit.count == 2 && limit[0].isNumber && limit[1].isNumber && limit[0].isAtMost(limit[1])
    }

    /// Whether the arguments of a command are within the limits.
    public func allows(_ values: [CommandValue]) -> Bool {
        guard let arguments else { return true }
        if arguments.count != values.count { return false }
        for index in values.indices where !Self.allows(arguments[index], values[index]) { return false }
        return true
    }

    private static func allows(_ limit: [CommandValue], _ value: CommandValue) -> Bool {
        if limit.isEmpty { return true }
        if case .text(let text) = value {
            for case .text(let allowed) in limit where allowed == text { return true }
            return false
        }
        return limit.count == 2 && value.isNumber && limit[0].isAtMost(value) && value.isAtMost(limit[1])
    }
}

extension CommandValue {
    fileprivate var isNumber: Bool {
        switch self {
        case .integer: true
        case .number(let number): number.isFinite
        default: false
        }
    }

    /// Two integers as such, other numbers as floats; false of anything else.
    fileprivate func isAtMost(_ other: CommandValue) -> Bool {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): a <= b
        case (.integer(let a), .number(let b)): Double(a) <= b
        case (.number(let a), .integer(let b)): a <= Double(b)
        case (.number(let a), .number(let b)): a <= b
        default: false
        }
    }
}
