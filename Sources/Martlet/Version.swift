// SPDX-License-Identifier: Apache-2.0

/// This release.
public enum MartletVersion {
    public static let string: StaticString = "0.1.0"

    /// Milliseconds since 1970 before which this release did not exist (2026-11-01): the earliest time that a clock
    /// can show and be right.
    package static let buildTime: Int64 = 1_793_491_200_000
}
