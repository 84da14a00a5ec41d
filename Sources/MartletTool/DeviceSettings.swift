// SPDX-License-Identifier: Apache-2.0

import Martlet
import MartletAdapters
import MartletEnrolment
import MartletOpenSSL

// What the library reads of a device's directory, with the tool's failures.

extension Configuration {
    /// `martlet.conf` of this directory.
    convenience init(directory: [UInt8]) throws(Failure) {
        let file = directory + [UInt8(ascii: "/")] + Array(DeviceFiles.configuration.utf8)
        do throws(MartletError) { try self.init(path: String(decoding: file, as: UTF8.self)) } catch {
            throw Failure(error)
        }
    }
}

extension Identity {
    convenience init(_ configuration: Configuration) throws(Failure) {
        let hashing = try OpenSSLHashing.make()
        do throws(MartletError) { try self.init(configuration, hashing: hashing) } catch { throw Failure(error) }
    }
}

extension OpenSSLHashing {
    static func make() throws(Failure) -> OpenSSLHashing {
        do throws(OpenSSLError) { return try OpenSSLHashing() } catch {
            throw Failure(.system, "OpenSSL has no SHA-256")
        }
    }
}
