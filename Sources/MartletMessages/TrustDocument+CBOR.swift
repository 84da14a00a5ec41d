// SPDX-License-Identifier: Apache-2.0

internal import MartletCBOR
public import MartletCOSE
internal import MartletEnvelope

extension TrustDocument {
    public init(decoding payload: Span<UInt8>, hashing: any Hashing) throws(MessageError) {
        var document = TrustDocument(version: 0, roots: [], threshold: 0, controllers: [], policy: [])
        var members: UInt8 = 0
        try readMap(payload) { (key, reader) throws(CBORError) in
            switch key {
            case 0: document.version = try reader.unsigned()
            case 1:
                for _ in 0..<(try reader.array(atMost: Self.maximumRoots)) {
                    document.roots.append(try reader.key(payload, hashing))
                }
            case 2: document.threshold = Int(clamping: try reader.unsigned())
            case 3:
                for _ in 0..<(try reader.array(atMost: Self.maximumControllers)) {
                    document.controllers.append(try reader.controller(payload, hashing))
                }
            case 4:
                let at = reader.offset
                let count = try reader.map()
                if count > Self.maximumRules { throw .unexpected(at: at) }
                for _ in 0..<count {
                    let name = try reader.text(payload, limit: Command.maximumNameLength)
                    var rules: [Rule] = []
                    for _ in 0..<(try reader.array(atMost: Self.maximumRules)) {
                        rules.append(try reader.rule(payload))
                    }
                    document.policy.append(Role(name: name, rules: rules))
                }
            default: return false
            }
            members |= 1 << UInt8(truncatingIfNeeded: key)
            return true
        }
        for key in 0..<5 where members >> UInt8(key) & 1 == 0 { throw .missing(UInt64(key)) }
        if let fault = document.fault { throw .badValue(fault) }
        self = document
    }

    /// Throws `badValue` of the member that breaks a rule. The order of roles is of no matter.
    public func encoded() throws(MessageError) -> [UInt8] {
        if let fault { throw .badValue(fault) }
        let bytes = CBORWriter.encode(limit: Envelope.maximumSize) { writer in
            writer.map(5)
            writer.unsigned(0, version)
            writer.unsigned(1)
            writer.array(roots.count)
            for root in roots { writer.bytes(root.spki.span) }
            writer.unsigned(2, UInt64(clamping: threshold))
            writer.unsigned(3)
            writer.array(controllers.count)
            for controller in controllers {
                writer.array(3)
                writer.text(controller.name.span)
                writer.bytes(controller.key.spki.span)
                writer.array(controller.roles.count)
                for role in controller.roles { writer.text(role.span) }
            }
            writer.unsigned(4)
            writer.map(policy.count)
            // The order of encoded texts: the shorter first.
            let sorted = policy.sorted {
                $0.name.count != $1.name.count
                    ? $0.name.count < $1.name.count : $0.name.lexicographicallyPrecedes($1.name)
            }
            for role in sorted {
                writer.text(role.name.span)
                writer.array(role.rules.count)
                for rule in role.rules { writer.rule(rule) }
            }
        }
        // More than an envelope holds: most of it is policy.
        guard let bytes else { throw .badValue(4) }
        return bytes
    }
}

extension CBORReader {
    fileprivate mutating func array(atMost limit: Int) throws(CBORError) -> Int {
        let at = offset
        let count = try array()
        if count > limit { throw .unexpected(at: at) }
        return count
    }

    fileprivate mutating func key(
        _ payload: Span<UInt8>, _ hashing: any Hashing
    ) throws(CBORError) -> TrustDocument.Key {
        let at = offset
        let range = try bytes()
        if range.count > TrustDocument.maximumKeySize { throw .unexpected(at: at) }
        return TrustDocument.Key([UInt8](copying: payload.extracting(range)), hashing: hashing)
    }

    /// [name, key, [role, …]]
    fileprivate mutating func controller(
        _ payload: Span<UInt8>, _ hashing: any Hashing
    ) throws(CBORError) -> TrustDocument.Controller {
        try array(exactly: 3)
        var controller = TrustDocument.Controller(
            name: try text(payload, limit: 128), key: try key(payload, hashing), roles: [])
        for _ in 0..<(try array(atMost: TrustDocument.maximumRoles)) {
            controller.roles.append(try text(payload, limit: Command.maximumNameLength))
        }
        return controller
    }

    /// {0: command, 1: [count, seconds], 2: [null or [value, …], …], 3: [state, …]}; the first must be there.
    fileprivate mutating func rule(_ payload: Span<UInt8>) throws(CBORError) -> TrustDocument.Rule {
        var rule = TrustDocument.Rule(command: [])
        for _ in 0..<(try map()) {
            let at = offset
            switch try unsigned() {
            case 0: rule.command = try text(payload, limit: Command.maximumNameLength)
            case 1:
                try array(exactly: 2)
                rule.rate = TrustDocument.Rate(count: try unsigned(), seconds: try unsigned())
            case 2:
                var limits: [[CommandValue]] = []
                for _ in 0..<(try array(atMost: Command.maximumArguments)) {
                    let at = offset
                    let limit = try isNull() ? [] : try values(payload)
                    // "Any value" has one form.
                    if limit.isEmpty, offset != at + 1 || payload[at] != 0xf6 { throw .unexpected(at: at) }
                    limits.append(limit)
                }
                rule.arguments = limits
            case 3:
                rule.whileActive = false
                for _ in 0..<(try array(atMost: 2)) {
                    let at = offset
                    switch try unsigned() {
                    case 0 where !rule.whileActive && !rule.whileSuspended: rule.whileActive = true
                    case 1 where !rule.whileSuspended: rule.whileSuspended = true
                    default: throw .unexpected(at: at)
                    }
                }
            default: throw .unexpected(at: at)
            }
        }
        return rule
    }
}

extension CBORWriter {
    fileprivate mutating func rule(_ rule: TrustDocument.Rule) {
        let hasStates = rule.whileSuspended || !rule.whileActive
        map(1 + (rule.rate == nil ? 0 : 1) + (rule.arguments == nil ? 0 : 1) + (hasStates ? 1 : 0))
        unsigned(0)
        text(rule.command.span)
        if let rate = rule.rate {
            unsigned(1)
            array(2)
            unsigned(rate.count)
            unsigned(rate.seconds)
        }
        if let arguments = rule.arguments {
            unsigned(2)
            array(arguments.count)
            for limit in arguments {
                if limit.isEmpty { null() } else { values(limit) }
            }
        }
        if hasStates {
            unsigned(3)
            array(rule.whileActive && rule.whileSuspended ? 2 : 1)
            if rule.whileActive { unsigned(0) }
            if rule.whileSuspended { unsigned(1) }
        }
    }
}
