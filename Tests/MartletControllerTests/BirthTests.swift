// SPDX-License-Identifier: Apache-2.0

import MartletController
import Testing
import TestSupport

@Suite struct BirthTests {
    @Test func `a birth of the anchors' device is accepted`() throws {
        let bench = try Bench(knowing: false)
        #expect(bench.verifier.challenge(of: bench.device.id) == nil)
        let message = try bench.take(bench.device.birth(challenge: 7), as: .birth)
        #expect(message.standing == .first)
        #expect(message.issuer == Array(TestDevice.urn.utf8))
        #expect(bench.verifier.challenge(of: bench.device.id) == bytes16(7))
        #expect(bench.verifier.name(of: bench.device.id) == Array(TestDevice.urn.utf8))
    }

    @Test func `a certificate of another device is refused`() throws {
        let bench = try Bench(knowing: false)
        let other = try TestDevice(bench.authority, id: "pump-8")
        #expect(bench.refusal(try other.birth(), as: .birth) == .wrongDevice)
    }

    @Test func `an issuer other than the certificate's URI is refused`() throws {
        let bench = try Bench(knowing: false)
        let identity = try bench.authority.device("pump-7")
        let liar = try TestDevice(
            certificate: identity.certificate, key: identity.key, urn: "urn:dev:mac:0024befffe804ff2")
        #expect(bench.refusal(try liar.birth(), as: .birth) == .wrongIssuer)
    }

    @Test func `a certificate without a URI is refused`() throws {
        let bench = try Bench(knowing: false)
        let identity = try bench.authority.client("pump-7")
        let device = try TestDevice(certificate: identity.certificate, key: identity.key)
        #expect(bench.refusal(try device.birth(), as: .birth) == .wrongIssuer)
    }

    @Test func `a certificate of another authority is refused`() throws {
        let bench = try Bench(knowing: false)
        let stranger = try TestDevice(TestAuthority())
        #expect(bench.refusal(try stranger.birth(), as: .birth) == .untrustedCertificate(.untrustedIssuer))
    }

    @Test func `a server's certificate is refused`() throws {
        let bench = try Bench(knowing: false)
        let server = bench.authority.server
        let device = try TestDevice(certificate: server.certificate, key: server.key)
        #expect(bench.refusal(try device.birth(), as: .birth) == .untrustedCertificate(.wrongPurpose))
    }

    @Test func `a certificate outside its time is refused`() throws {
        let bench = try Bench(knowing: false)
        let birth = try bench.device.birth()
        let authority = bench.authority
        #expect(bench.refusal(birth, as: .birth, at: authority.notAfter + 1) == .untrustedCertificate(.expired))
        #expect(bench.refusal(birth, as: .birth, at: authority.notBefore - 1) == .untrustedCertificate(.notYetValid))
        #expect(bench.refusal(birth, as: .birth, at: authority.notAfter) == nil)
    }

    @Test func `a birth that the certificate's key did not sign is refused`() throws {
        let bench = try Bench(knowing: false)
        let thief = try TestDevice(bench.authority)
        let birth = try thief.birth(chain: bench.device.certificates)
        #expect(bench.refusal(birth, as: .birth) == .envelope(.cose(.badSignature)))
    }

    @Test func `a birth without a certificate, or with bytes for one, is refused`() throws {
        let bench = try Bench(knowing: false)
        #expect(bench.refusal(try bench.device.birth(chain: []), as: .birth) == .noCertificate)
        #expect(
            bench.refusal(try bench.device.birth(chain: [[0x30, 0x03, 1, 2, 3]]), as: .birth)
                == .badCertificate(.malformed))
        let trailing = bench.device.certificates[0] + [0]
        #expect(bench.refusal(try bench.device.birth(chain: [trailing]), as: .birth) == .badCertificate(.malformed))
    }

    @Test func `births stand to each other by run, connection and moment`() throws {
        let bench = try Bench(knowing: false)
        let device = bench.device
        let steps: [(birth: [UInt8], standing: BirthStanding, challenge: UInt8)] = [
            (try device.birth(run: 5, connection: 2, challenge: 1, at: 1000), .first, 1),
            (try device.birth(run: 5, connection: 2, challenge: 1, at: 1000), .repeated, 1),
            // The challenge was renewed.
            (try device.birth(run: 5, connection: 2, challenge: 2, at: 2000), .newer, 2),
            // The one before, replayed.
            (try device.birth(run: 5, connection: 2, challenge: 1, at: 1000), .older, 2),
            (try device.birth(run: 5, connection: 3, challenge: 3, at: 3000), .newer, 3),
            (try device.birth(run: 5, connection: 1, challenge: 9, at: 9000), .older, 3),
            (try device.birth(run: 4, connection: 9, challenge: 9, at: 9000), .older, 3),
            (try device.birth(run: 6, connection: 1, challenge: 4, at: 100), .newer, 4),
        ]
        for (index, step) in steps.enumerated() {
            #expect(try bench.take(step.birth, as: .birth).standing == step.standing, "step \(index)")
            #expect(bench.verifier.challenge(of: device.id) == bytes16(step.challenge), "step \(index)")
        }
    }

    @Test func `an older birth brings no key`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.birth(run: 9), as: .birth)
        let former = try TestDevice(bench.authority)
        #expect(try bench.take(former.birth(run: 8), as: .birth).standing == .older)
        #expect(bench.refusal(try former.telemetry(1, after: nil).message, as: .telemetry) == .unknownKey)
    }

    @Test func `an older birth is remembered across a restart of the back end`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.birth(run: 9, connection: 3, challenge: 5), as: .birth)
        let first = try bench.device.telemetry(1, after: nil)
        _ = try bench.take(first.message, as: .telemetry)
        let bytes = try #require(bench.verifier.memory(of: bench.device.id)).encoded()
        let memory = try DeviceMemory(decoding: bytes.span)
        #expect(memory.heads[.normal] == first.head)

        let restarted = try Bench(knowing: false)
        let device = try TestDevice(restarted.authority)
        // Its certificate is of an authority that this back end does not trust; the rest is true all the same.
        #expect(restarted.verifier.restore(device.id, memory) == .untrustedCertificate(.untrustedIssuer))
        #expect(restarted.refusal(try device.telemetry(2, after: first.head).message, as: .telemetry) == .unknownKey)
        #expect(restarted.verifier.heads(of: device.id)[.normal] == first.head)
        #expect(restarted.verifier.challenge(of: device.id) == nil)
        #expect(try restarted.take(device.birth(run: 8), as: .birth).standing == .older)
        // What the broker retained is that of this connection: its challenge is not known yet.
        #expect(try restarted.take(device.birth(run: 9, connection: 3), as: .birth).standing == .newer)
        #expect(try restarted.take(device.telemetry(2, after: first.head).message, as: .telemetry).verdict == .linked)
    }

    @Test func `after a restart of the back end, what a device sent before its next birth is verified`() throws {
        let bench = try Bench(knowing: false)
        let device = bench.device
        _ = try bench.take(device.birth(), as: .birth)
        let bytes = try #require(bench.verifier.memory(of: device.id)).encoded()
        let memory = try DeviceMemory(decoding: bytes.span)
        #expect(memory.keys == [DeviceMemory.Key(chain: device.certificates, received: bench.now)])
        func restarted(_ change: (inout DeviceMemory) -> Void = { _ in }) throws -> (DeviceVerifier, VerificationError?)
        {
            var memory = memory
            change(&memory)
            let verifier = try DeviceVerifier(anchors: [bench.authority.authority.certificate])
            return (verifier, verifier.restore(device.id, memory))
        }
        let message = try device.telemetry(1, after: nil).message
        func refusal(_ verifier: DeviceVerifier) -> VerificationError? {
            do throws(VerificationError) {
                // Long after the certificate has expired: its birth arrived before.
                _ = try verifier.verify(
                    message.span, from: device.id.span, as: .telemetry, at: bench.authority.notAfter + 9, now: 0)
                return nil
            } catch {
                return error
            }
        }
        let (verifier, refused) = try restarted()
        #expect(refused == nil && refusal(verifier) == nil)

        // Nothing of the file is believed that the authority did not sign.
        let stranger = try TestDevice(TestAuthority())
        let other = try TestDevice(bench.authority, id: "pump-8")
        let table: [(VerificationError, (inout DeviceMemory) -> Void)] = [
            (.untrustedCertificate(.untrustedIssuer), { $0.keys[0].chain = stranger.certificates }),
            (.wrongDevice, { $0.keys[0].chain = other.certificates }),
            (.wrongIssuer, { $0.issuer = Array("urn:dev:mac:0024befffe804ff2".utf8) }),
            (.untrustedCertificate(.expired), { $0.keys[0].received = bench.authority.notAfter + 1 }),
            (.untrustedCertificate(.notYetValid), { $0.keys[0].received = bench.authority.notBefore - 1 }),
            (.noCertificate, { $0.keys[0].chain = [] }), (.badCertificate(.malformed), { $0.keys[0].chain = [[0x30]] }),
        ]
        for (expected, change) in table {
            let (verifier, refused) = try restarted(change)
            #expect(refused == expected)
            #expect(refusal(verifier) == (expected == .wrongIssuer ? .wrongIssuer : .unknownKey))
        }
    }

    @Test func `the eight newest certificates of a device are kept`() throws {
        let bench = try Bench(knowing: false)
        var devices: [TestDevice] = []
        for run in UInt64(1)...9 {
            devices.append(try TestDevice(bench.authority))
            _ = try bench.take(devices[devices.count - 1].birth(run: run), as: .birth)
            _ = try bench.take(devices[devices.count - 1].birth(run: run), as: .birth, at: bench.now + 60)
        }
        let memory = try #require(bench.verifier.memory(of: bench.device.id))
        #expect(memory.keys.map(\.chain) == devices.dropFirst().map(\.certificates))
        // The first time that one arrived counts.
        #expect(memory.keys.allSatisfy { $0.received == bench.now })
        let bytes = memory.encoded()
        func isMemory(_ bytes: [UInt8]) -> Bool {
            if case nil = try? DeviceMemory(decoding: bytes.span) { false } else { true }
        }
        #expect(isMemory(bytes) && !isMemory(bytes + [0]))
        for count in bytes.indices { #expect(!isMemory(Array(bytes[..<count])), "\(count) bytes") }
    }

    @Test func `a message that is taken back comes again as if it had not come`() throws {
        let bench = try Bench(knowing: false)
        let birth = try bench.device.birth()
        #expect(try bench.take(birth, as: .birth).standing == .first)
        bench.verifier.revert()
        #expect(bench.verifier.name(of: bench.device.id) == nil)
        #expect(try bench.take(birth, as: .birth).standing == .first)
        let message = try bench.device.telemetry(1, after: nil).message
        for _ in 1...2 {
            #expect(try bench.take(message, as: .telemetry).verdict == .first)
            bench.verifier.revert()
            bench.verifier.revert()
        }
        _ = try bench.take(message, as: .telemetry)
        #expect(try bench.take(message, as: .telemetry).verdict == .duplicate)
    }

    @Test func `a forgotten device begins anew`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.birth(run: 9), as: .birth)
        bench.verifier.forget(bench.device.id)
        #expect(try bench.take(bench.device.birth(run: 2), as: .birth).standing == .first)
    }

    @Test func `another URN under the same device id is another device`() throws {
        let bench = try Bench()
        _ = try bench.take(bench.device.telemetry(7, after: nil).message, as: .telemetry)
        let identity = try bench.authority.device("pump-7", mac: "0024befffe804ff2")
        let other = try TestDevice(
            certificate: identity.certificate, key: identity.key, urn: "urn:dev:mac:0024befffe804ff2")
        #expect(try bench.take(other.birth(), as: .birth).standing == .first)
        #expect(bench.verifier.heads(of: other.id)[.normal] == nil)
        #expect(bench.refusal(try bench.device.telemetry(8, after: nil).message, as: .telemetry) == .wrongIssuer)
    }

    @Test func `more devices than agreed are refused`() throws {
        let bench = try Bench()
        _ = try bench.take(TestDevice(bench.authority, id: "pump-8").birth(), as: .birth, from: Array("pump-8".utf8))
        let third = try TestDevice(bench.authority, id: "pump-9")
        #expect(bench.refusal(try third.birth(), as: .birth, from: third.id) == .tooManyDevices)
    }
}
