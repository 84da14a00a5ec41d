// SPDX-License-Identifier: Apache-2.0

internal import CMartlet
internal import Martlet
internal import MartletMessages

// martlet.h says what these promise.

private let otherKind: StaticString = "the argument was declared of another kind"
private let nowhere: StaticString = "there is nowhere to put the argument: NULL"

private func argument(_ call: OpaquePointer?, _ index: Int) throws(Failure) -> CommandValue {
    guard let context = calls.find(call) else { throw .handle }
    return try context.argument(index)
}

@c @implementation
public func martlet_call_integer(_ call: OpaquePointer?, _ index: Int, _ value: UnsafeMutablePointer<Int64>?) -> Int32 {
    result { () throws(Failure) in
        guard case .integer(let argument) = try argument(call, index) else { throw .argument(otherKind) }
        guard let value else { throw .argument(nowhere) }
        value.pointee = argument
    }
}

@c @implementation
public func martlet_call_number(_ call: OpaquePointer?, _ index: Int, _ value: UnsafeMutablePointer<Double>?) -> Int32 {
    result { () throws(Failure) in
        guard case .number(let argument) = try argument(call, index) else { throw .argument(otherKind) }
        guard let value else { throw .argument(nowhere) }
        value.pointee = argument
    }
}

@c @implementation
public func martlet_call_boolean(_ call: OpaquePointer?, _ index: Int, _ value: UnsafeMutablePointer<Int32>?) -> Int32 {
    result { () throws(Failure) in
        guard case .boolean(let argument) = try argument(call, index) else { throw .argument(otherKind) }
        guard let value else { throw .argument(nowhere) }
        value.pointee = argument ? 1 : 0
    }
}

@c @implementation
public func martlet_call_text(
    _ call: OpaquePointer?, _ index: Int, _ text: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int32 {
    result { () throws(Failure) in
        guard case .text(let argument) = try argument(call, index) else { throw .argument(otherKind) }
        guard let text else { throw .argument(nowhere) }
        guard argument.count < size else { throw .argument("the text and its zero byte do not fit") }
        if argument.contains(0) { throw .argument("the text holds a zero byte") }
        for index in argument.indices { text[index] = CChar(truncatingIfNeeded: argument[index]) }
        text[argument.count] = 0
    }
}

@c @implementation
public func martlet_call_data(
    _ call: OpaquePointer?, _ index: Int, _ data: UnsafeMutableRawPointer?, _ size: Int,
    _ length: UnsafeMutablePointer<Int>?
) -> Int32 {
    result { () throws(Failure) in
        guard case .data(let argument) = try argument(call, index) else { throw .argument(otherKind) }
        guard let data, let length else { throw .argument(nowhere) }
        guard argument.count <= size else { throw .argument("the data does not fit") }
        for index in argument.indices { data.storeBytes(of: argument[index], toByteOffset: index, as: UInt8.self) }
        length.pointee = argument.count
    }
}

private func add(_ call: OpaquePointer?, _ value: () throws(Failure) -> CommandValue) -> Int32 {
    result { () throws(Failure) in
        guard let context = calls.find(call) else { throw .handle }
        try context.add(value())
    }
}

@c @implementation
public func martlet_call_add_integer(_ call: OpaquePointer?, _ value: Int64) -> Int32 {
    add(call) { () throws(Failure) in .integer(value) }
}

@c @implementation
public func CMartlet_call_add_number(_ call: OpaquePointer?, _ value: UnsafePointer<Double>?) -> Int32 {
    let value = value?.pointee ?? 0
    return add(call) { () throws(Failure) in
        if !value.isFinite { throw .argument("NaN and infinity are no values") }
        return .number(value)
    }
}

@c @implementation
public func martlet_call_add_boolean(_ call: OpaquePointer?, _ value: Int32) -> Int32 {
    add(call) { () throws(Failure) in .boolean(value != 0) }
}

@c @implementation
public func martlet_call_add_text(_ call: OpaquePointer?, _ text: UnsafePointer<CChar>?, _ length: Int) -> Int32 {
    add(call) { () throws(Failure) in
        let bytes = try value(text, length)
        if !isUTF8(bytes) { throw .argument("a text value is UTF-8") }
        return .text([UInt8](bytes))
    }
}

@c @implementation
public func martlet_call_add_data(_ call: OpaquePointer?, _ data: UnsafeRawPointer?, _ length: Int) -> Int32 {
    add(call) { () throws(Failure) in .data([UInt8](try value(data, length))) }
}
