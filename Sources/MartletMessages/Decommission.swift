// SPDX-License-Identifier: Apache-2.0

/// A device's last message: it gives up its credential for good.
public enum Decommission {
    /// An empty map: who, and when, stands in the claims.
    public static let payload: [UInt8] = [0xA0]
}
