// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletMessages

/// `martlet retire`
enum Retire {
    static let help: StaticString = """
        usage: martlet retire --directory DIR --id ID [--without-notice] [--json]

        Ends the life of a device for its owner. Says so to the back end, signed by the device's key, and clears what the
        broker keeps of it; then overwrites and removes its keys, that of its journal, and what [https] shows and is in the
        device's directories; and removes certificates, authorities, journal and martlet.conf. After that the directory can
        be onboarded anew, with a label of the same owner or of another one; a factory.pem stays.

        Stop the device before. The message goes to the broker, and with [https] in martlet.conf by HTTPS where there is no
        broker or it cannot be reached. If neither takes it, nothing is erased. The back end can verify it if the device
        has run with its present key. Whatever cuts it short after that: no device starts with what is left, and the same
        command ends it.

          --directory DIR    where martlet.conf is
          --id ID            the device's id, so that nobody retires another one by accident
          --without-notice   erase although nobody can be told: the back end has to bar the device by itself
          --json             one JSON object a line
          --help             print this and exit

        Exit status: 0 the device is retired, 1 broker or server refused, 2 wrong usage or another device's id, 3 the system
        or the network failed, or the device runs, 5 there is no device.

        """

    struct Options {
        var directory: [UInt8] = []
        var id: [UInt8] = []
        var isSilent = false
        var isJSON = false
    }

    static func run(_ arguments: [[UInt8]]) -> Status {
        var options = Options()
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument.equals("--help") {
                return Output.write([UInt8](help))
            } else if argument.equals("--json") {
                options.isJSON = true
            } else if argument.equals("--without-notice") {
                options.isSilent = true
            } else if argument.equals("--directory") {
                options.directory = rest.popValue()
            } else if argument.equals("--id") {
                options.id = rest.popValue()
            } else {
                Output.complain("unknown argument '", argument, "', try martlet retire --help")
                return .usage
            }
        }
        guard !options.directory.isEmpty, !options.id.isEmpty else {
            Output.complain("--directory needs a path behind it, --id the device's id, and both must be there")
            return .usage
        }
        do throws(Failure) {
            try run(options)
            return .success
        } catch {
            Output.complain(error)
            return error.status
        }
    }

    private static func run(_ options: Options) throws(Failure) {
        let isJSON = options.isJSON
        func tell(_ step: StaticString, _ text: StaticString, _ detail: [UInt8] = []) {
            Output.tell(step, text, detail, isJSON: isJSON)
        }
        let retirement = try Retirement(options.directory)
        try retirement.require(options.id)
        if retirement.hasBegun {
            tell("begun", "goes on with a retirement that was begun")
        } else {
            // Before anybody is told that the device is gone.
            _ = try retirement.requireKey()
            if !options.isSilent {
                let configuration = try retirement.requireConfiguration()
                do throws(Failure) { try notify(configuration, tell) } catch {
                    throw Failure(
                        error.status, "", error.text, "; where the back end knows, or cannot be told: --without-notice")
                }
                tell(
                    "notice",
                    "the message was taken; if the device has not run since its last certificate, bar it by hand")
            }
            try retirement.begin()
            tell("begun", "no device starts with this directory any longer")
        }
        try retirement.erase { tell("left", "left alone, since it may be anybody's:", $0) }
        tell("done", "retired; the directory can be onboarded anew:", options.directory)
    }

    private static func notify(
        _ configuration: Configuration, _ tell: @escaping (StaticString, StaticString, [UInt8]) -> Void
    ) throws(Failure) {
        let identity = try Identity(configuration)
        let backEnd = BackEnd(
            configuration: configuration, anchors: identity.anchors, chain: identity.chain, key: identity.key,
            tell: tell)
        try backEnd.speak { (way) throws(Failure) in
            // An empty message takes the place of what the broker keeps. First, since the back end bars the device at
            // once.
            try way.publish(.signed(.birth), [], retained: true)
            try way.publish(.presence, [], retained: true)
            try Notice.send(.decommission, Decommission.payload, signedBy: identity.key, over: way)
        }
    }
}
