// SPDX-License-Identifier: Apache-2.0

import MartletController

/// What went wrong, where, and what to do about it; shown as it is.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    init(_ place: String, _ error: PosixError) { description = "\(place): \(error.words)" }
}

/// Runs `body`; a failed system call or file rule is told together with `place`.
func at<Result>(_ place: String, _ body: () throws(PosixError) -> Result) throws(Failure) -> Result {
    do throws(PosixError) { return try body() } catch { throw Failure(place, error) }
}
