// SPDX-License-Identifier: Apache-2.0

// What a back end needs of the modules below, so that `import MartletController` is enough.

@_exported public import MartletAudit
@_exported public import MartletCOSE
@_exported public import enum MartletCommands.Refusal
@_exported public import MartletEnvelope
@_exported public import MartletMessages
@_exported public import MartletOpenSSL
@_exported public import class MartletPosix.DirectoryLock
@_exported public import enum MartletPosix.PosixError
@_exported public import class MartletPosix.PrivateDirectory
@_exported public import enum MartletPosix.PublicFile
@_exported public import enum MartletPosix.SystemClock
