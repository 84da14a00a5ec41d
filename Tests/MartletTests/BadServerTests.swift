// SPDX-License-Identifier: Apache-2.0

import Foundation
import Martlet
import MartletPosix
import TestSupport
import Testing

/// The device against servers it must not talk to: each has its own message, and none gets a byte of MQTT.
@Suite(.timeLimit(.minutes(5))) struct BadServerTests {
    /// Starts a device that is configured for `port`, and waits until it said `text`.
    private func refused(
        by port: UInt16, saying text: String, _ folder: DeviceFolder, host: String = "localhost"
    ) throws {
        try folder.configure(["host": host, "port": "\(port)"])
        let device = try folder.device()
        try device.report("secret-reading", 1)
        try device.start()
        defer { device.stop(flushing: 0) }
        try folder.waitForLog("warning: not connected: \(host):\(port): \(text); next try in ", seconds: 60)
        #expect(!folder.logged.contains { $0.contains(": connected") }, "\(folder.logged)")
    }

    private func expectNoMQTT(_ bytes: some StringProtocol) {
        #expect(!bytes.contains("MQTT") && !bytes.contains("martlet/v1") && !bytes.contains("secret-reading"))
    }

    @Test(
        "TLS-01 a bad server is named for what it is, and gets no MQTT", arguments: BadServer.all.filter(\.isRefusedNow)
    )
    func badServer(server: BadServer) throws {
        let folder = try DeviceFolder(TestAuthority(rootDays: server.rootDays))
        let output = try server.run(folder.authority) { port in
            try refused(by: port, saying: server.text, folder, host: server.host)
        }
        expectNoMQTT(output)
    }

    @Test("TLS-01 a device whose clock says 2099 names the certificate")
    func clockAhead() throws {
        let folder = try DeviceFolder(TestAuthority())
        let server = try ScriptedTLSServer(folder.authority.server)
        defer { server.stop() }
        try folder.configure(["port": "\(server.port)"])
        let device = try folder.process(FakeTime.command("2099-01-01 00:00:00"))
        defer { device.stop() }
        try device.waitForOutput(
            "localhost:\(server.port): the server's certificate has expired; next try", seconds: 60)
        expectNoMQTT(server.output)
    }

    /// Whether to ask for the device's certificate is the server's affair: it proves itself all the same.
    @Test(
        "TLS-01 a good server of the same kind is connected to, whether or not it asks for our certificate",
        arguments: [[], ["-Verify", "2"]])
    func goodServer(options: [String]) throws {
        let folder = try DeviceFolder(TestAuthority())
        let process = try ScriptedTLSServer(folder.authority.server, options: options)
        defer { process.stop() }
        let device = try connected(folder, process)
        device.stop(flushing: 0)
        #expect(process.output.contains("CN=pump-7") == !options.isEmpty)
    }

    private func connected(_ folder: DeviceFolder, _ process: ScriptedTLSServer) throws -> Device {
        try folder.configure(["port": "\(process.port)"])
        let device = try folder.device()
        try device.start()
        try process.waitForOutput("MQTT")
        process.write([0x20, 0x03, 0x00, 0x00, 0x00])
        try folder.waitForLog("info: connected")
        return device
    }

    @Test("TLS-05 a broker without TLS gets no MQTT")
    func plainBroker() throws {
        let folder = try DeviceFolder(TestAuthority())
        let broker = try Broker()
        try refused(by: broker.port, saying: BadServer.closedText, folder)
        #expect(!broker.log.contains(DeviceFolder.id))
    }

    @Test func `nobody listens`() throws {
        let folder = try DeviceFolder(TestAuthority())
        try refused(by: LoopbackListener().port, saying: "Connection refused", folder)
    }

    @Test func `a name that does not exist`() throws {
        let folder = try DeviceFolder(TestAuthority())
        try folder.configure(["host": "martlet.invalid"])
        let device = try folder.device()
        try device.start()
        try folder.waitForLog("not connected: martlet.invalid:8883: the name was not resolved: ", seconds: 60)
        device.stop(flushing: 0)
    }

    // MARK: A server that refuses us

    @Test(
        "TLS-01 a server that refuses our certificate reads the same in both versions",
        arguments: ["-tls1_2", "-tls1_3"])
    func refusedCertificate(version: String) throws {
        let folder = try DeviceFolder(TestAuthority())
        let other = try TestAuthority()
        let process = try ScriptedTLSServer(
            folder.authority.server,
            options: [version, "-CAfile", other.rootPath, "-Verify", "2", "-verify_return_error"])
        defer { process.stop() }
        try refused(by: process.port, saying: BadServer.closedText, folder)
        expectNoMQTT(process.output)
    }

    @Test("TLS-01 a server that refuses us reads the same when its alert is lost", arguments: [true, false])
    func lostAlert(isReset: Bool) throws {
        let folder = try DeviceFolder(TestAuthority())
        let process = try ScriptedTLSServer(folder.authority.server, options: ["-tls1_3"])
        let proxy = try Proxy(to: process.port)
        defer {
            proxy.stop()
            process.stop()
        }
        try folder.configure(["port": "\(proxy.port)"])
        let device = try folder.device()
        try device.start()
        defer { device.stop(flushing: 0) }
        try process.waitForOutput("MQTT")
        if isReset { proxy.cut() } else { process.stop() }
        try folder.waitForLog("warning: not connected: localhost:\(proxy.port): \(BadServer.closedText); next try in ")
    }

    // MARK: Time

    @Test("CLK-01 a certificate that is not valid yet is left once time is trusted, and refused from then on")
    func notYetValid() throws {
        let authority = try TestAuthority()
        let now = Int64(Date().timeIntervalSince1970)
        let bench = try Bench(server: authority.server(notBefore: now + 3600), authority: authority)
        bench.backEnd.state.with { $0.answersBirths = false }
        let device = try bench.device()
        try device.onCommand("never") { _ in
            Issue.record("a command was obeyed")
            return .done
        }
        try device.report("early", 1)
        try device.start()
        try bench.waitForLog("connected; the server's certificate waits for trusted time")
        // It carries telemetry, but no command.
        _ = try bench.backEnd.waitFor("reading") { bench.backEnd.readings($0).isEmpty ? nil : true }
        _ = try bench.backEnd.command("never")
        try bench.waitForLog("command refused: the server's certificate waits for trusted time")
        try bench.backEnd.answerBirth()
        try bench.waitForLog(": the server's certificate is not valid at the trusted time")
        try bench.waitForLog(": the server's certificate is not valid yet: is this device's clock right?")
        #expect(bench.refusedMessages(device, atLeast: 1) == 1)
        device.stop(flushing: 0)
    }
}
