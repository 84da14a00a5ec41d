// SPDX-License-Identifier: Apache-2.0

internal import MartletAudit
internal import MartletCBOR
internal import MartletCOSE
internal import MartletCommands
internal import MartletEnvelope
internal import MartletMessages

extension DeviceState {
    /// What recovery makes of the records.
    final class Reading {
        let ledger: Ledger
        let hashing: any Hashing
        var values = Values()
        var recent: [[UInt8]] = []
        var damage = 0

        init(ledger: Ledger, hashing: any Hashing) {
            self.ledger = ledger
            self.hashing = hashing
        }

        func take(_ record: Span<UInt8>, isFirst: Bool) {
            if isFirst {
                values = Values()
                recent = []
                ledger.removeAll()
            }
            guard record.count > 0, let kind = RecordKind(rawValue: record[0]),
                read(kind, [UInt8](copying: record.extracting(droppingFirst: 1)))
            else {
                damage += 1
                return
            }
        }

        private func read(_ kind: RecordKind, _ body: [UInt8]) -> Bool {
            switch kind {
            case .facts: return (try? readFacts(body.span)) != nil
            case .run:
                guard let run = RunState(decoding: body) else { return false }
                values.settings.run = run
                return true
            case .ledger: return ledger.recover(body.span)
            case .trust:
                values.settings.trust = body
                return true
            case .root:
                guard body.count == 32 else { return false }
                values.settings.root = body
                return true
            case .usage:
                guard let usage = Usage(decoding: body.span) else { return false }
                values.settings.usage = usage
                return true
            case .entry:
                recent.append(RecordKind.entry.record(body))
                if recent.count > DeviceState.recentCapacity { recent.removeFirst() }
                guard let index = DeviceState.index(of: body.span) else { return false }
                values.chain = AuditChain(
                    after: ChainHead(sequence: index, digest: hashing.sha256(body.span)))
                return true
            }
        }

        private func readFacts(_ bytes: Span<UInt8>) throws(CBORError) {
            var reader = CBORReader(bytes)
            try reader.array(exactly: 4)
            var floor: Int64?
            if try !reader.isNull() { floor = try reader.integer() }
            let isSuspended = try reader.bool()
            let told = try reader.unsigned()
            var head: ChainHead?
            if try !reader.isNull() { head = try reader.head(bytes) }
            try reader.finish()
            (values.settings.floor, values.settings.isSuspended, values.settings.told) = (floor, isSuspended, told)
            values.chain = AuditChain(after: head)
        }
    }

    /// `[floor or null, suspended, told, audit head or null]`
    func facts(head: ChainHead?) -> [UInt8] {
        let bytes = CBORWriter.encode(limit: 80) { writer in
            writer.array(4)
            if let floor { writer.integer(floor) } else { writer.null() }
            writer.bool(isSuspended)
            writer.unsigned(told)
            if let head { writer.head(head) } else { writer.null() }
        }
        return bytes ?? []
    }
}
