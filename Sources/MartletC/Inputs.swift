// SPDX-License-Identifier: Apache-2.0

internal import CMartlet
internal import Martlet
internal import MartletMessages

// What C hands over, checked. None of it is looked at after the call.

/// The bytes of a name before its zero byte; at most `limit` + 1 bytes are read.
func name(_ pointer: UnsafePointer<CChar>?, limit: Int) throws(Failure) -> UnsafeBufferPointer<UInt8> {
    guard let pointer else { throw .argument("a name, unit or path is NULL") }
    for count in 0...limit where pointer[count] == 0 {
        return UnsafeBufferPointer(start: UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self), count: count)
    }
    throw .argument("a name, unit or path is too long, or does not end with a zero byte")
}

/// A text or data value.
func value(_ pointer: UnsafeRawPointer?, _ length: Int) throws(Failure) -> UnsafeBufferPointer<UInt8> {
    // As a size_t it may have been more than an Int holds.
    guard (0...Command.maximumValueLength).contains(length) else {
        throw .argument("a text or data value has at most 1024 bytes")
    }
    if pointer == nil && length > 0 { throw .argument("a text or data value is NULL, and its length is not 0") }
    return UnsafeBufferPointer(start: pointer?.assumingMemoryBound(to: UInt8.self), count: length)
}

func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    (try? UTF8Span(validating: Span(_unsafeElements: bytes))) != nil
}

func text(_ bytes: UnsafeBufferPointer<UInt8>) throws(Failure) -> String {
    guard let text = try? UTF8Span(validating: Span(_unsafeElements: bytes)) else {
        throw .argument("a name or path is not UTF-8")
    }
    return String(copying: text)
}

func parameters(_ pointer: UnsafePointer<martlet_parameter>?, count: Int) throws(Failure) -> [Parameter] {
    guard (0...Command.maximumArguments).contains(count) else { throw .argument("a command has at most 8 parameters") }
    if count == 0 { return [] }
    guard let pointer else { throw .argument("the parameters are NULL, and their count is not 0") }
    var parameters: [Parameter] = []
    for index in 0..<count { parameters.append(try parameter(pointer[index])) }
    return parameters
}

private func parameter(_ parameter: martlet_parameter) throws(Failure) -> Parameter {
    switch Int(parameter.kind) {
    case MARTLET_INTEGER:
        guard parameter.minimum <= parameter.maximum else {
            throw .argument("a parameter's minimum is above its maximum")
        }
        return .integer(parameter.minimum...parameter.maximum)
    case MARTLET_NUMBER:
        guard parameter.lowest.isFinite, parameter.highest.isFinite, parameter.lowest <= parameter.highest else {
            throw .argument("a parameter's lowest and highest are no range of finite numbers")
        }
        return .number(parameter.lowest...parameter.highest)
    case MARTLET_BOOLEAN: return .boolean
    case MARTLET_TEXT: return .text(maximumLength: try length(parameter))
    case MARTLET_DATA: return .data(maximumLength: try length(parameter))
    default: throw .argument("a parameter's kind is none of MARTLET_INTEGER to MARTLET_DATA")
    }
}

private func length(_ parameter: martlet_parameter) throws(Failure) -> Int {
    guard parameter.maximum_length <= UInt32(Command.maximumValueLength) else {
        throw .argument("a parameter's maximum_length is above 1024")
    }
    return Int(parameter.maximum_length)
}
