// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletEnrolment
import MartletINI
import MartletPosix

/// What martlet.conf says of a device that is to be renewed.
struct RenewalSettings {
    let configuration: Configuration
    let registrar: ESTServer

    private static let advice: StaticString = """
        : a credential changes as one file: put the key and then its certificates into device.pem (0600), the \
        authorities into anchors.pem, both beside this file, and let key, certificate and anchors name them
        """

    init(_ directory: DeviceDirectory) throws(Failure) {
        let path = directory.path(of: DeviceFiles.configuration)
        let text = String(decoding: path, as: UTF8.self)
        do throws(MartletError) { configuration = try Configuration(path: text) } catch {
            throw Failure(.usage, "", Array(error.message.utf8))
        }
        let credential = directory.path(of: DeviceFiles.credential)
        guard Self.isPath(configuration.key, credential), Self.isPath(configuration.certificate, credential),
            Self.isPath(configuration.anchors, directory.path(of: DeviceFiles.anchors))
        else {
            throw Failure(.usage, "", path, Self.advice)
        }
        registrar = try Self.registrar(text, path)
    }

    private static func registrar(_ text: String, _ path: [UInt8]) throws(Failure) -> ESTServer {
        let content: [UInt8]
        do throws(PosixError) {
            content = try PublicFile.read(text, limit: INI.maximumFileLength)
        } catch { throw Failure(path, error) }
        let entry: INIEntry?
        do throws(INIError) {
            let ini = try INI(parsing: content.span)
            entry = try ini.value("enrolment", "registrar")
        } catch { throw Failure(.usage, "", path, ": [enrolment] has registrar twice: remove one") }
        guard let entry else {
            throw Failure(.usage, "", path, ": no registrar: add [enrolment] with registrar = host:port/path")
        }
        let value = entry.value
        guard let server = ESTServer(parsing: value.span) else {
            throw Failure(.usage, "", path, ": the registrar is host, host:port or host:port/path")
        }
        return server
    }

    private static func isPath(_ text: String, _ path: [UInt8]) -> Bool { Array(text.utf8) == path }
}
