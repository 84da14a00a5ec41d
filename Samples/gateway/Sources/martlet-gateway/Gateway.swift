// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct Gateway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet-gateway",
        abstract: "A back end for Martlet devices on one machine: broker, registrar, verification, commands.",
        discussion: """
            Everything lives in one directory: the authority, the broker's files, the keys of the two parties that \
            devices obey, 'gateway' (answers births) and 'operator' (sends commands), and the documents that say \
            so, signed by a root key.

              martlet-gateway init
              martlet-gateway run &
              martlet-gateway device invite pump-7
              martlet-gateway command pump-7 identify
              martlet-gateway audit show pump-7
            """,
        subcommands: [
            Initialise.self, DeviceVerb.self, TrustVerb.self, Run.self, Order.self, Send.self, AuditVerb.self,
        ])
}

struct DirectoryOption: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The gateway's directory.", valueName: "dir"))
    var directory = "gateway"

    func open() throws -> GatewayDirectory { try GatewayDirectory(path: directory) }
}
