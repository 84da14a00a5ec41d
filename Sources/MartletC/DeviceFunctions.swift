// SPDX-License-Identifier: Apache-2.0

public import CMartlet
internal import Martlet
internal import MartletHTTPSLink
internal import MartletMessages
internal import MartletSenML

// martlet.h says what these promise.

private let maximumPath = 4095
private let maximumProgram = 32
private let maximumReadingName = 64
private let maximumUnit = 16

@c @implementation
public func martlet_open(
    _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<martlet_options>?,
    _ device: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
    result { () throws(Failure) in
        guard let device else { throw .argument("there is nowhere to put the device: NULL") }
        let path = try text(name(path, limit: maximumPath))
        let session = try open(path, options)
        guard let handle = devices.insert(session) else {
            throw .unsupported("256 devices are open: close one before another is opened")
        }
        device.pointee = handle
    }
}

private func open(_ path: String, _ pointer: UnsafePointer<martlet_options>?) throws(Failure) -> Session {
    guard let pointer else {
        return Session(
            try passing { () throws(MartletError) in
                try Device(configuration: path, https: .libcurl)
            }, log: nil)
    }
    try requireSize(pointer.pointee.size, MemoryLayout<martlet_options>.size)
    let options = pointer.pointee
    guard let level = LogLevel(rawValue: UInt8(clamping: options.log_level)), options.log_level >= 0 else {
        throw .argument("the log level is none of MARTLET_LOG_ERROR to MARTLET_LOG_DEBUG")
    }
    let log = options.log.map { LogCallback($0, user: options.user) }
    let write = log.map { $0.write }
    if options.program == nil && options.program_version == nil {
        return Session(
            try passing { () throws(MartletError) in
                try Device(configuration: path, https: .libcurl, logLevel: level, log: write)
            }, log: log)
    }
    let program = try [UInt8](name(options.program, limit: maximumProgram))
    let version = try [UInt8](name(options.program_version, limit: maximumProgram))
    return Session(
        try passing { () throws(MartletError) in
            try Device(
                configuration: path, programName: program, programVersion: version, https: .libcurl, logLevel: level,
                log: write)
        }, log: log)
}

/// Structures grow at their end, and say by their size which fields they have.
private func requireSize(_ size: Int, _ known: Int) throws(Failure) {
    if size < known && size >= 0 { throw .argument("a structure's size is not that of martlet.h: set it to sizeof") }
    if size != known { throw .unsupported("a structure is larger than this version of the library knows it") }
}

private func session(_ device: OpaquePointer?) throws(Failure) -> Session {
    guard let session = devices.find(device) else { throw .handle }
    return session
}

@c @implementation
public func martlet_on_command(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ parameters: UnsafePointer<martlet_parameter>?,
    _ count: Int, _ handler: martlet_handler?, _ user: UnsafeMutableRawPointer?
) -> Int32 {
    declare(device, name, parameters, count, handler, user, isIdempotent: false)
}

@c @implementation
public func martlet_on_idempotent_command(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ parameters: UnsafePointer<martlet_parameter>?,
    _ count: Int, _ handler: martlet_handler?, _ user: UnsafeMutableRawPointer?
) -> Int32 {
    declare(device, name, parameters, count, handler, user, isIdempotent: true)
}

private func declare(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ parameters: UnsafePointer<martlet_parameter>?,
    _ count: Int, _ handler: martlet_handler?, _ user: UnsafeMutableRawPointer?, isIdempotent: Bool
) -> Int32 {
    result { () throws(Failure) in
        let session = try session(device)
        let name = try text(MartletC.name(name, limit: Command.maximumNameLength))
        let parameters = try MartletC.parameters(parameters, count: count)
        guard let handler else { throw .argument("the handler is NULL") }
        let command = CommandHandler(function: handler, user: user)
        try session.setUp { () throws(Failure) in
            try passing { () throws(MartletError) in
                try session.device.onCommand(name, parameters, isIdempotent: isIdempotent) { command.run($0) }
            }
        }
    }
}

@c @implementation
public func martlet_fd(_ device: OpaquePointer?, _ descriptor: UnsafeMutablePointer<Int32>?) -> Int32 {
    result { () throws(Failure) in
        let session = try session(device)
        guard let descriptor else { throw .argument("there is nowhere to put the descriptor: NULL") }
        descriptor.pointee = try passing { () throws(MartletError) in try session.device.descriptor() }
    }
}

@c @implementation
public func martlet_dispatch(_ device: OpaquePointer?) -> Int32 {
    result { () throws(Failure) in
        let session = try session(device)
        try passing { () throws(MartletError) in try session.device.dispatch() }
    }
}

@c @implementation
public func martlet_start(_ device: OpaquePointer?) -> Int32 {
    result { () throws(Failure) in
        let session = try session(device)
        try session.setUp { () throws(Failure) in
            try passing { () throws(MartletError) in try session.device.start() }
        }
    }
}

@c @implementation
public func CMartlet_report_number(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: UnsafePointer<Double>?,
    _ unit: UnsafePointer<CChar>?, _ lane: Int32, _ durable: Int32
) -> Int32 {
    let value = value?.pointee ?? 0
    return result { () throws(Failure) in
        let unit = try unit.map { (unit) throws(Failure) in try MartletC.name(unit, limit: maximumUnit) }
        try report(device, name, .number(value), unit: unit, lane, durable)
    }
}

@c @implementation
public func martlet_report_boolean(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: Int32, _ lane: Int32, _ durable: Int32
) -> Int32 {
    result { () throws(Failure) in try report(device, name, .boolean(value != 0), lane, durable) }
}

@c @implementation
public func martlet_report_text(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ text: UnsafePointer<CChar>?, _ length: Int,
    _ lane: Int32,
    _ durable: Int32
) -> Int32 {
    result { () throws(Failure) in
        let bytes = try value(text, length)
        try report(device, name, .string(Span(_unsafeElements: bytes)), lane, durable)
    }
}

@c @implementation
public func martlet_report_data(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ data: UnsafeRawPointer?, _ length: Int, _ lane: Int32,
    _ durable: Int32
) -> Int32 {
    result { () throws(Failure) in
        let bytes = try value(data, length)
        try report(device, name, .data(Span(_unsafeElements: bytes)), lane, durable)
    }
}

private func report(
    _ device: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ value: borrowing SenMLRecord.Value,
    unit: UnsafeBufferPointer<UInt8>? = nil, _ lane: Int32, _ durable: Int32
) throws(Failure) {
    let session = try session(device)
    guard let lane = UInt8(exactly: lane).flatMap({ Lane(rawValue: $0) }) else {
        throw .argument("there is no such lane")
    }
    let name = Span(_unsafeElements: try MartletC.name(name, limit: maximumReadingName))
    let unit = Span(_unsafeElements: unit ?? UnsafeBufferPointer(start: nil, count: 0))
    do throws(MartletError) {
        try session.device.report(name: name, value, unit: unit, lane: lane, durable: durable != 0)
    } catch {
        throw .device(error)
    }
}

@c @implementation
public func martlet_status(_ device: OpaquePointer?, _ status: UnsafeMutablePointer<martlet_device_status>?) -> Int32 {
    result { () throws(Failure) in
        let session = try session(device)
        guard let status else { throw .argument("there is nowhere to put the status: NULL") }
        try requireSize(status.pointee.size, MemoryLayout<martlet_device_status>.size)
        let now = session.device.status
        status.pointee.connection = Int32(now.connection.rawValue)
        status.pointee.waiting_messages = UInt64(now.waitingMessages)
        status.pointee.dropped_readings = now.droppedReadings
        status.pointee.refused_messages = now.refusedMessages
    }
}

@c @implementation
public func martlet_close(_ device: OpaquePointer?, _ flush_seconds: UInt32) -> Int32 {
    result { () throws(Failure) in
        guard let session = devices.remove(device) else { throw .handle }
        session.close(flushing: flush_seconds)
    }
}
