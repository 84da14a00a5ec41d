// SPDX-License-Identifier: Apache-2.0

/// What a registrar wants to see in a request: `CsrAttrs` (RFC 7030 §4.5.2, RFC 9908).
///
/// A request has the device's id and its key, whatever else is wanted: names and extensions are the registrar's to add.
/// But kind of key, curve, signature and hash are not: of each that the registrar names at all, it has to name the one of
/// the device, or it would refuse the request.
struct CSRAttributes {
    private typealias Aspect = EnrolmentError.Aspect

    /// By `Aspect`: whether the device's own was named, and the first other one.
    private var isMet = [Bool](repeating: false, count: Aspect.allCases.count)
    private var others = [[UInt8]?](repeating: nil, count: Aspect.allCases.count)
    /// The template alone counts where there is one (RFC 9908 §4).
    private var hasTemplate = false

    /// An error unless `der` is exactly such a list, which a P-256 key and ECDSA with SHA-256 satisfy.
    static func judge(_ der: [UInt8]) throws(EnrolmentError) {
        var outer = DERElements(der)
        let list = try outer.next(DERElements.Tag.sequence)
        try outer.end()
        var attributes = CSRAttributes()
        var elements = DERElements(der, list)
        while let element = try elements.next() {
            switch element.tag {
            case DERElements.Tag.objectIdentifier: attributes.take(try ObjectIdentifier(der[element.content]))
            case DERElements.Tag.sequence: try attributes.takeAttribute(DERElements(der, element.content))
            default: throw .notAttributes
            }
        }
        for aspect in Aspect.allCases where !attributes.isMet[aspect.rawValue] {
            if let other = attributes.others[aspect.rawValue] { throw .unfit(aspect, demanded: other) }
        }
    }

    private mutating func takeAttribute(_ attribute: DERElements) throws(EnrolmentError) {
        var elements = attribute
        let bytes = elements.bytes
        let type = try ObjectIdentifier(bytes[try elements.next(DERElements.Tag.objectIdentifier)])
        var values = DERElements(bytes, try elements.next(DERElements.Tag.set))
        try elements.end()
        take(type)
        while let value = try values.next() {
            if type == .template, value.tag == DERElements.Tag.sequence {
                try takeTemplate(DERElements(bytes, value.content))
            } else if type == .ecPublicKey, !hasTemplate {
                try takeCurve(value.tag, bytes[value.content])
            }
        }
    }

    /// The request as it should be: its version, perhaps a subject, perhaps the kind of key, other attributes.
    private mutating func takeTemplate(_ template: DERElements) throws(EnrolmentError) {
        isMet = CSRAttributes().isMet
        others = CSRAttributes().others
        hasTemplate = true
        var elements = template
        let bytes = elements.bytes
        _ = try elements.next(DERElements.Tag.integer)
        while let element = try elements.next() {
            guard element.tag == DERElements.Tag.first else { continue }
            var key = DERElements(bytes, element.content)
            var algorithm = DERElements(bytes, try key.next(DERElements.Tag.sequence))
            let type = try ObjectIdentifier(bytes[try algorithm.next(DERElements.Tag.objectIdentifier)])
            note(type, of: .key)
            if type == .ecPublicKey, let parameters = try algorithm.next() {
                try takeCurve(parameters.tag, bytes[parameters.content])
            }
        }
    }

    /// The parameters of an elliptic curve's key name the curve, or describe it.
    private mutating func takeCurve(_ tag: UInt8, _ value: ArraySlice<UInt8>) throws(EnrolmentError) {
        if tag == DERElements.Tag.objectIdentifier {
            note(try ObjectIdentifier(value), of: .curve)
        } else {
            noteUnknown(.curve)
        }
    }

    /// What stands in the list itself: unknown ones are wishes that need not be met (RFC 7030 §4.5.2).
    private mutating func take(_ identifier: ObjectIdentifier) {
        if !hasTemplate, let known = identifier.known { note(identifier, of: known.aspect) }
    }

    private mutating func note(_ identifier: ObjectIdentifier, of aspect: Aspect) {
        guard let known = identifier.known, known.aspect == aspect else { return noteUnknown(aspect) }
        if known.isOwn {
            isMet[aspect.rawValue] = true
            // Its curve and its signature are of no other kind of key.
            if aspect != .hash { isMet[Aspect.key.rawValue] = true }
        } else if others[aspect.rawValue] == nil {
            others[aspect.rawValue] = identifier.text(known.name)
        }
    }

    private mutating func noteUnknown(_ aspect: Aspect) {
        if others[aspect.rawValue] == nil { others[aspect.rawValue] = [UInt8]("one that is not known here".utf8) }
    }
}
