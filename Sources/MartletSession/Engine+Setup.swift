// SPDX-License-Identifier: Apache-2.0

public import MartletCommands
public import MartletEnvelope
public import MartletMessages
public import MartletState
public import MartletTelemetry

extension Engine {
    /// What an engine is made of. A class, because it is large and read once.
    public final class Setup {
        public let identity: DeviceIdentity
        public let sealer: EnvelopeSealer
        public let gate: CommandGate
        public let entropy: any Entropy
        public let state: DeviceState
        /// In the order of the lanes' codes.
        public let spools: [Spool]
        public let spoolLimits: SpoolLimits
        public let topics: Topics
        public let batchLimits: ReadingBatch.Limits
        public let quotas: QuotaLimits
        public let software: [Birth.Software]
        public let bootID: Bytes16?
        /// Milliseconds since 1970.
        public let buildTime: Int64

        public init(
            identity: DeviceIdentity, sealer: EnvelopeSealer, gate: CommandGate, entropy: any Entropy,
            state: DeviceState, spools: [Spool], spoolLimits: SpoolLimits, topics: Topics,
            batchLimits: ReadingBatch.Limits,
            quotas: QuotaLimits, software: [Birth.Software], bootID: Bytes16?, buildTime: Int64
        ) {
            self.identity = identity
            self.sealer = sealer
            self.gate = gate
            self.entropy = entropy
            self.state = state
            self.spools = spools
            self.spoolLimits = spoolLimits
            self.topics = topics
            self.batchLimits = batchLimits
            self.quotas = quotas
            self.software = software
            self.bootID = bootID
            self.buildTime = buildTime
        }
    }
}
