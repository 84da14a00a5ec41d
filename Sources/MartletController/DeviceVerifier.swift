// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletAudit
internal import MartletCOSE
public import MartletEnvelope
public import MartletMessages
public import MartletOpenSSL
internal import MartletSenML

/// Verifies what devices send, for a back end: origin, purpose, order and completeness.
///
/// Trust begins with a device's birth, which brings a certificate: it must chain to the anchors, name the device of
/// the topic, and hold the key that signed. Everything else must be signed by a key of an accepted birth of the same
/// device. Nothing that the broker says is believed. Not safe for concurrent use.
public final class DeviceVerifier {
    private let anchors: [Certificate]
    private let hashing: OpenSSLHashing
    private let maximumDevices: Int
    private var devices: [[UInt8]: DeviceRecord] = [:]
    private var structure = Envelope.makeStructure()
    /// What was known of a device before the last message.
    private var before: (device: [UInt8], record: DeviceRecord?)?

    /// - Parameters:
    ///   - anchors: the authorities of the devices' certificates.
    ///   - maximumDevices: how many devices are remembered; each takes up to some 160 KiB, and its certificates.
    public init(anchors: [Certificate], maximumDevices: Int = 1000) throws(OpenSSLError) {
        self.anchors = anchors
        hashing = try OpenSSLHashing()
        self.maximumDevices = maximumDevices
    }

    /// Verifies one message.
    ///
    /// - Parameters:
    ///   - device: the device id in the topic.
    ///   - purpose: what the topic's last level says, never what the message says.
    ///   - time: seconds since 1970 at which a birth's certificate is judged.
    ///   - now: milliseconds of a clock that never goes back, for what waits for its predecessor.
    public func verify(
        _ message: Span<UInt8>, from device: Span<UInt8>, as purpose: Purpose, at time: Int64, now: UInt64
    ) throws(VerificationError) -> DeviceMessage {
        before = nil
        guard DeviceID.isValid(device) else { throw .badDeviceID }
        let id = [UInt8](copying: device)
        before = (id, devices[id])
        let envelope: Envelope
        do throws(EnvelopeError) { envelope = try Envelope(decoding: message) } catch { throw .envelope(error) }
        if purpose == .birth { return try birth(envelope, message, id, at: time) }

        guard var record = devices[id] else { throw .unknownKey }
        guard record.issuer.isEqual(to: message.extracting(envelope.issuer)) else { throw .wrongIssuer }
        let (digest, key) = try verify(envelope, message, as: purpose, record)
        let payload = message.extracting(envelope.payload)
        let isDated = record.date(envelope.claims)
        var changes: [LaneChange] = []
        let content: DeviceMessage.Content
        switch purpose {
        case .telemetry:
            try require(envelope.contentType, ContentFormat.senML)
            content = try telemetry(payload, envelope.claims, digest, now, &record, &changes)
        case .gap:
            try require(envelope.contentType, ContentFormat.cbor)
            guard let lane = envelope.claims.lane else { throw .badClaims }
            let gap = try decoded(payload, Gap.init(decoding:))
            record[lane].take(gap, changes: &changes)
            content = .gap(gap)
        case .event:
            try require(envelope.contentType, ContentFormat.cbor)
            let event = try decoded(payload, Event.init(decoding:))
            if event.kind == .nextKey {
                try record.requireNewest(key)
                guard let next = event.nextKey else { throw .message(.badValue(1)) }
                record.announce(next)
            }
            content = .event(event)
        case .receipt:
            try require(envelope.contentType, ContentFormat.cbor)
            content = .receipt(try decoded(payload, Receipt.init(decoding:)))
        case .checkpoint:
            try require(envelope.contentType, ContentFormat.cbor)
            let checkpoint = try decoded(payload, Checkpoint.init(decoding:))
            let (verdict, new) = record.audit.take(checkpoint.entries, upTo: checkpoint.head, hashing: hashing)
            content = .checkpoint(new, checkpoint, verdict)
        case .decommission:
            try require(envelope.contentType, ContentFormat.cbor)
            let empty = Decommission.payload
            guard payload.isEqual(to: empty.span) else { throw .message(.badValue(0)) }
            try record.requireNewest(key)
            content = .decommission
        default: throw .wrongPurpose(purpose)
        }
        devices[id] = record
        return DeviceMessage(
            device: id, issuer: record.issuer, claims: envelope.claims, digest: digest, content: content,
            journal: nil, keyChange: nil, changes: changes, datedBoot: isDated ? envelope.claims.boot?.id : nil)
    }

    /// Takes the last message back, as if it had not come: for one that could not be stored, and will come again.
    /// To be called before anything else is.
    public func revert() {
        guard let (device, record) = before else { return }
        devices[device] = record
        before = nil
    }

    /// Declares holes for what has waited too long. Call it every few seconds; `now` as in `verify`.
    public func advance(now: UInt64) -> [(device: [UInt8], change: LaneChange)] {
        var all: [(device: [UInt8], change: LaneChange)] = []
        for id in devices.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            var changes: [LaneChange] = []
            devices[id]?.advance(now: now, changes: &changes)
            for change in changes { all.append((id, change)) }
        }
        return all
    }

    // MARK: What is known of a device

    /// The challenge that a command for this device must echo; nil before its birth in this life of the back end.
    public func challenge(of device: [UInt8]) -> Bytes16? { devices[device]?.birth?.challenge }

    /// The device's URN, the audience of what is sent to it.
    public func name(of device: [UInt8]) -> [UInt8]? { devices[device]?.issuer }

    /// The newest envelope of each lane, for `resume`.
    public func heads(of device: [UInt8]) -> LaneHeads { devices[device]?.heads ?? LaneHeads() }

    /// The highest head of the audit log that the device signed, for `resume`.
    public func journal(of device: [UInt8]) -> ChainHead? { devices[device]?.audit.seen }

    /// Milliseconds since 1970 at which this boot of the device began, to a second; nil until a message of it with
    /// trusted time came. The eight boots dated last are known.
    public func wallClock(of device: [UInt8], boot: Bytes16) -> Int64? { devices[device]?.wallClock(of: boot) }

    /// Takes the challenge of a `stale` receipt. Only for a receipt that was verified and whose digest is that of a
    /// command signed by the caller a moment ago: nothing else shows that it is fresh.
    public func renewChallenge(of device: [UInt8], _ challenge: Bytes16) { devices[device]?.renew(challenge) }

    /// What must outlive the back end's process; nil before the device's first birth.
    public func memory(of device: [UInt8]) -> DeviceMemory? { devices[device]?.memory }

    /// Brings back what was kept. For a device of which nothing has arrived yet.
    ///
    /// Certificates are verified anew, each at the time at which its birth arrived. Those that do not hold are left
    /// out, e.g. of an authority that is no anchor any longer; returns why the first one does not, nil if all do.
    public func restore(_ device: [UInt8], _ memory: DeviceMemory) -> VerificationError? {
        guard devices[device] == nil else { return nil }
        guard devices.count < maximumDevices else { return .tooManyDevices }
        var record = DeviceRecord(issuer: memory.issuer, memory: memory)
        var refusal: VerificationError?
        for key in memory.keys {
            do throws(VerificationError) {
                record.accept(
                    try BirthCertificate(
                        key.chain, issuer: memory.issuer.span, device: device.span, anchors: anchors,
                        at: key.received, hashing: hashing
                    ).key)
            } catch {
                if case nil = refusal { refusal = error }
            }
        }
        // Also to a key that is not the first one.
        if let announced = memory.announced { record.announce(announced) }
        devices[device] = record
        return refusal
    }

    /// Forgets the device: retired, or accepted with a state that was rolled back. Its next birth is its first.
    public func forget(_ device: [UInt8]) { devices[device] = nil }

    // MARK: Parts

    private func birth(
        _ envelope: Envelope, _ message: Span<UInt8>, _ id: [UInt8], at time: Int64
    ) throws(VerificationError) -> DeviceMessage {
        let certificate = try BirthCertificate(
            envelope.x5chain.map { [UInt8](copying: message.extracting($0)) },
            issuer: message.extracting(envelope.issuer), device: id.span, anchors: anchors, at: time, hashing: hashing)
        let digest = try verify(envelope, message, as: .birth, with: certificate.key)
        try require(envelope.contentType, ContentFormat.cbor)
        let birth = try decoded(message.extracting(envelope.payload), Birth.init(decoding:))
        guard devices[id] != nil || devices.count < maximumDevices else { throw .tooManyDevices }
        // Another URN under the same device id is another device: nothing of the old one is true of it.
        var record = devices[id] ?? DeviceRecord(issuer: certificate.issuer)
        let isOther = record.issuer != certificate.issuer
        if isOther { record = DeviceRecord(issuer: certificate.issuer) }
        let standing = record.standing(of: birth, envelope.claims)
        let journal = birth.journal.map { record.judge($0, in: birth.run) }
        var datedBoot: Bytes16?
        var keyChange: KeyChange? = isOther ? .unannounced : nil
        if standing != .older {
            keyChange = record.accept(certificate.key) ?? keyChange
            record.accept(birth, envelope.claims)
            if record.date(envelope.claims) { datedBoot = envelope.claims.boot?.id }
            devices[id] = record
        }
        return DeviceMessage(
            device: id, issuer: certificate.issuer, claims: envelope.claims, digest: digest,
            content: .birth(birth, standing), journal: journal, keyChange: keyChange, changes: [], datedBoot: datedBoot)
    }

    private func telemetry(
        _ payload: Span<UInt8>, _ claims: Claims, _ digest: Digest, _ now: UInt64, _ record: inout DeviceRecord,
        _ changes: inout [LaneChange]
    ) throws(VerificationError) -> DeviceMessage.Content {
        guard let lane = claims.lane, let sequence = claims.sequence else { throw .badClaims }
        if let previous = claims.previous, previous.sequence >= sequence { throw .badClaims }
        let wallClock = claims.boot.flatMap { record.wallClock(of: $0.id) }
        let readings: [Reading]
        do throws(SenMLError) {
            readings = try Reading.all(in: payload, claims: claims, wallClock: wallClock)
        } catch {
            throw .readings(error)
        }
        let head = ChainHead(sequence: sequence, digest: digest)
        return .telemetry(
            readings, record[lane].take(head, previous: claims.previous, now: now, changes: &changes))
    }

    private func verify(
        _ envelope: Envelope, _ message: Span<UInt8>, as purpose: Purpose, _ record: DeviceRecord
    ) throws(VerificationError) -> (Digest, DeviceRecord.Key) {
        var refusal = VerificationError.unknownKey
        for key in record.keys(named: envelope.keyID) {
            do throws(VerificationError) {
                return (try verify(envelope, message, as: purpose, with: key), key)
            } catch {
                refusal = error
            }
        }
        throw refusal
    }

    private func verify(
        _ envelope: Envelope, _ message: Span<UInt8>, as purpose: Purpose, with key: DeviceRecord.Key
    ) throws(VerificationError) -> Digest {
        do throws(EnvelopeError) {
            return try envelope.verify(
                message, as: purpose, with: key.verifier, hashing: hashing, structure: &structure)
        } catch {
            throw .envelope(error)
        }
    }

    private func require(_ contentType: UInt64, _ expected: UInt64) throws(VerificationError) {
        if contentType != expected { throw .badClaims }
    }

    private func decoded<Message>(
        _ payload: Span<UInt8>, _ decode: (Span<UInt8>) throws(MessageError) -> Message
    ) throws(VerificationError) -> Message {
        do throws(MessageError) { return try decode(payload) } catch { throw .message(error) }
    }
}
