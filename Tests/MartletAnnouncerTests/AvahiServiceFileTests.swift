// SPDX-License-Identifier: Apache-2.0

import MartletDiscovery
import Testing

@testable import MartletAnnouncer

@Suite struct AvahiServiceFileTests {
    private func text(_ services: [Announcement?]) -> String {
        String(decoding: AvahiServiceFile.text(services.compactMap { $0 }), as: UTF8.self)
    }

    @Test func `a gateway and its registrar are one group of avahi's`() {
        let host = Array("pantry".utf8)
        let text = text([
            Announcement(.gateway, host: host, port: 8883),
            Announcement(.registrar, host: host, port: 443, path: Array("/.well-known/est".utf8)),
        ])
        #expect(
            text.hasSuffix(
                """
                <service-group>
                  <name>pantry</name>
                  <service>
                    <type>_secure-mqtt._tcp</type>
                    <port>8883</port>
                  </service>
                  <service>
                    <type>_brski-registrar._tcp</type>
                    <port>443</port>
                    <txt-record>path=/.well-known/est</txt-record>
                  </service>
                </service-group>

                """))
    }

    @Test func `what means something in XML is written so that it does not`() {
        let device = AnnouncedDevice(id: Array("pump-7".utf8), model: Array(#"P <1> & "co""#.utf8), version: "1")
        let text = text([device?.announcement])
        #expect(text.contains("<name>pump-7</name>\n  <service>\n    <type>_martlet._udp</type>\n    <port>0</port>\n"))
        #expect(text.contains(#"<txt-record>model=P &lt;1&gt; &amp; "co"</txt-record>"#))
    }

    @Test func `its place says whose it is`() {
        #expect(AvahiServiceFile(Array("martlet-pump-7".utf8)).path == "/etc/avahi/services/martlet-pump-7.service")
    }
}
