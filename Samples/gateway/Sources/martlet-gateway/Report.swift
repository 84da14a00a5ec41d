// SPDX-License-Identifier: Apache-2.0

import Logging
import MartletController

/// What there is to tell.
enum Report {
    case birth(DeviceMessage, Birth, BirthStanding)
    case telemetry(DeviceMessage, [Reading], LaneVerdict)
    case gap(DeviceMessage, Gap)
    case event(DeviceMessage, Event)
    case receipt(DeviceMessage, Receipt)
    /// The device's last word.
    case decommission(DeviceMessage)
    /// New entries of the audit log, or what is wrong with it.
    case audit(DeviceMessage, [AuditLine], AuditVerdict)
    /// A later verdict on an envelope.
    case verdict(device: [UInt8], LaneChange)
    /// A boot of the device is dated: it began at this time, in milliseconds since 1970.
    case dated(device: [UInt8], boot: Bytes16, start: Int64)
    /// Unsigned.
    case presence(device: [UInt8], Presence)
    /// The device sent its birth by another way than the one before.
    case way(device: [UInt8], Way)
    case refused(device: [UInt8], Purpose, VerificationError)
    case registrar(RegistrarEvent)
}

/// How a device's messages come.
enum Way: String {
    case mqtt
    case https
}

/// Shows reports. All calls are on one thread.
protocol Display: AnyObject {
    /// Whether something could not be shown: nobody reads any longer, or the disk is full.
    var isBroken: Bool { get }
    func show(_ report: Report)
    /// Something about the gateway itself.
    func note(_ level: Logger.Level, _ text: String)
    /// Comes every second or more often.
    func tick()
    func end()
}

extension Purpose {
    /// The last level of its topic.
    var leaf: String {
        String(context.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }.dropFirst("martlet/1/".count))
    }
}
