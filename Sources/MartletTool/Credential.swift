// SPDX-License-Identifier: Apache-2.0

import MartletOpenSSL

/// What one file holds: a private key, its certificate and the intermediates, behind a line that tells a new one from
/// the one before.
struct Credential {
    let key: PrivateKey
    /// Leaf first.
    let chain: [Certificate]
    let leaf: Certificate
    /// The common name.
    let id: [UInt8]
    /// One more with each credential; 0 if the file does not tell.
    let generation: UInt32

    /// nil unless the first certificate is that of the key, and has a common name.
    init?(_ key: PrivateKey, _ chain: [Certificate], generation: UInt32) {
        guard let leaf = chain.first, (try? leaf.publicKey)?.spki == key.publicKey.spki, let id = leaf.commonName else {
            return nil
        }
        (self.key, self.chain, self.leaf, self.id, self.generation) = (key, chain, leaf, id, generation)
    }

    /// A file's content; nil if it holds no such thing.
    init?(_ text: [UInt8]) {
        guard let key = try? PrivateKey(pem: text.span), let chain = try? Certificate.all(inPEM: text.span) else {
            return nil
        }
        self.init(key, chain, generation: Self.line("generation = ", of: text).number ?? 0)
    }

    /// The content of a file. A secret: wipe it.
    func text() throws(Failure) -> [UInt8] {
        let certificates = try Self.pem(chain)
        var text = [UInt8]("generation = ")
        // A growing array would leave copies behind.
        text.reserveCapacity(1024 + certificates.count)
        text.add(generation)
        text.add("\n")
        do throws(OpenSSLError) {
            var pem = try key.pem()
            defer { secureZero(&pem) }
            text += pem
        } catch { throw Failure(.system, "OpenSSL did not encode the key") }
        text += certificates
        return text
    }

    /// Also if this device's clock is before its beginning, and so cannot tell.
    var mayHaveEnded: Bool { hasEnded(at: Registrar.time) || Registrar.systemTime < leaf.notBefore }

    /// Whether it has ended at `time`, in seconds since 1970.
    func hasEnded(at time: Int64) -> Bool { leaf.notAfter < time }

    static func pem(_ certificates: [Certificate]) throws(Failure) -> [UInt8] {
        var text: [UInt8] = []
        do throws(OpenSSLError) {
            for certificate in certificates { text += try certificate.pem() }
        } catch { throw Failure(.system, "OpenSSL did not encode a certificate") }
        return text
    }

    /// What follows `name` in the first line, which is text before the first block (RFC 7468 section 2).
    static func line(_ name: StaticString, of text: [UInt8]) -> [UInt8] {
        let name = [UInt8](name)
        guard text.starts(with: name) else { return [] }
        return [UInt8](text.dropFirst(name.count).prefix { $0 != UInt8(ascii: "\n") })
    }
}
