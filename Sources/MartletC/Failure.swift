// SPDX-License-Identifier: Apache-2.0

internal import CMartlet
internal import Martlet

/// Why a function of the header fails.
enum Failure: Error {
    case device(MartletError)
    case handle
    case argument(StaticString)
    case unsupported(StaticString)
    case wrongState(StaticString)

    private var code: Int32 {
        switch self {
        case .device(let error): error.code.rawValue
        case .handle: Int32(MARTLET_ERROR_HANDLE)
        case .argument: Int32(MARTLET_ERROR_ARGUMENT)
        case .unsupported: Int32(MARTLET_ERROR_UNSUPPORTED)
        case .wrongState: Int32(MARTLET_ERROR_WRONG_STATE)
        }
    }

    /// Makes it the thread's error text, and gives its code.
    fileprivate func note() -> Int32 {
        switch self {
        case .device(let error): _ = error.message.utf8.withContiguousStorageIfAvailable { Self.write($0) }
        case .handle: Self.write("not a handle of this kind, or no longer: it was closed, or its handler has ended")
        case .argument(let text), .unsupported(let text), .wrongState(let text): Self.write(text)
        }
        return code
    }

    private static func write(_ text: StaticString) {
        write(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// What is too long is cut between two characters.
    private static func write(_ text: UnsafeBufferPointer<UInt8>) {
        guard let buffer = CMartlet_error_buffer() else { return }
        var count = text.count
        if count >= Int(CMARTLET_TEXT_SIZE) {
            count = Int(CMARTLET_TEXT_SIZE) - 1
            while count > 0, text[count] & 0xc0 == 0x80 { count -= 1 }
        }
        for index in 0..<count { buffer[index] = CChar(truncatingIfNeeded: text[index]) }
        buffer[count] = 0
    }
}

/// Runs the body of a function of the header.
func result(_ body: () throws(Failure) -> Void) -> Int32 {
    do throws(Failure) {
        try body()
        return Int32(MARTLET_OK)
    } catch {
        return error.note()
    }
}

/// Passes on the errors of the device.
func passing<Result>(_ body: () throws(MartletError) -> Result) throws(Failure) -> Result {
    do throws(MartletError) { return try body() } catch { throw .device(error) }
}
