// SPDX-License-Identifier: Apache-2.0

// So that `import MartletAnnouncer` is enough.

@_exported public import struct MartletDiscovery.Announcement
@_exported public import enum MartletDiscovery.ServiceKind
@_exported public import enum MartletPosix.PosixError
@_exported public import class MartletPosix.Thread
