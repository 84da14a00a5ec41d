// SPDX-License-Identifier: Apache-2.0

// What a program needs of the modules below, so that `import Martlet` is enough.

@_exported public import enum MartletCommands.Parameter
@_exported public import enum MartletEnvelope.Lane
@_exported public import enum MartletMessages.CommandValue
@_exported public import enum MartletSession.ConnectionState
@_exported public import enum MartletSession.LogLevel
