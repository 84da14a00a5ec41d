// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletEnrolment
import MartletINI
import MartletPosix

/// What martlet.conf says of a device that is to be renewed.
struct RenewalSettings {
    let configuration: Configuration
    let registrar: ESTServer
    /// The name of the file of authorities.
    let anchors: String

    private static let advice: StaticString = """
        : a credential changes as one file: put the key and then its certificates into device.pem (0600), and let \
        key and certificate name it; the file that anchors names must be in the same directory
        """

    init(_ directory: DeviceDirectory) throws(Failure) {
        let path = directory.path(of: DeviceFiles.configuration)
        let text = String(decoding: path, as: UTF8.self)
        configuration = try Configuration(directory: directory.path)
        guard let key = directory.name(at: configuration.key), key.utf8.elementsEqual(DeviceFiles.credential.utf8),
            let certificate = directory.name(at: configuration.certificate),
            certificate.utf8.elementsEqual(DeviceFiles.credential.utf8),
            let anchors = directory.name(at: configuration.anchors)
        else {
            throw Failure(.usage, "", path, Self.advice)
        }
        self.anchors = anchors
        registrar = try Self.registrar(text, path)
    }

    static func registrar(_ text: String, _ path: [UInt8]) throws(Failure) -> ESTServer {
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
}
