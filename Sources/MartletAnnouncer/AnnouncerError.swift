// SPDX-License-Identifier: Apache-2.0

public import MartletPosix

/// Why services are not announced.
public enum AnnouncerError: Error, Sendable {
    /// Another program has UDP port 5353, and it is not avahi-daemon.
    case portTaken
    /// avahi-daemon has the port, and its file could not be written.
    case notWritten([UInt8], PosixError)
    /// A file that avahi-daemon reads is left.
    case notRemoved([UInt8], PosixError)
    /// Somebody else on the network has this name: its first label.
    case nameTaken([UInt8])
    case network(PosixError)
}
