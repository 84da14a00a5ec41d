// SPDX-License-Identifier: Apache-2.0

internal import MartletAdapters
internal import MartletCOSE
internal import MartletEnvelope
internal import MartletJournal
internal import MartletOpenSSL
internal import MartletPosix
internal import MartletState
internal import MartletTelemetry

/// The private directory of a device's journal, which this process has locked.
final class StateDirectory {
    private var lock: DirectoryLock?
    let state: DeviceState
    /// In the order of the lanes' codes.
    let spools: [Spool]

    /// Makes the directory and the journal's master key if they are missing. One process at a time can have it. A
    /// journal that is there and cannot be read at all is an error, not a first start: its numbers would be used again.
    init(_ configuration: Configuration, hashing: any Hashing) throws(MartletError) {
        let (path, device) = (configuration.stateDirectory, configuration.id)
        let directory: PrivateDirectory
        var master: [UInt8]
        do throws(PosixError) {
            directory = try PrivateDirectory(creating: path)
            lock = try directory.lock("martlet.lock")
            master = try MasterKey.open(directory)
        } catch {
            throw MartletError(.state, file: path, error)
        }
        defer { secureZero(&master) }
        let keys: OpenSSLSegmentKeys
        do throws(OpenSSLError) { keys = try OpenSSLSegmentKeys(master: master.span) } catch {
            throw MartletError(.system, "OpenSSL has no AES-GCM or no HKDF")
        }
        let storage = DirectoryStorage(directory)
        let journal = Journal(
            storage: storage, keys: keys, device: device, stream: DeviceState.stream,
            segmentSize: DeviceState.segmentSize)
        var spools: [Spool] = []
        do throws(JournalError) {
            state = try DeviceState(journal, hashing: hashing)
            for lane in Lane.allCases {
                spools.append(
                    try Spool(
                        Journal(
                            storage: storage, keys: keys, device: device, stream: Spool.stream(lane),
                            segmentSize: Spool.segmentSize(configuration.spool.bytes), historySize: nil)))
            }
        } catch {
            throw MartletError(.state) {
                $0.untrusted(path)
                $0.text(": the journal cannot be read: is the disk worn out?")
            }
        }
        self.spools = spools
    }

    /// Lets another process, or another device of this one, have the directory. Nothing is written after this.
    func unlock() { lock = nil }
}
