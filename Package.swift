// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// What every Swift target is built with. `Lifetimes` is the one experimental feature: readers and writers
/// over a caller's bytes cannot outlive them.
let language: [SwiftSetting] = [
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Restrictions of Embedded Swift are errors already on the host; tests are full Swift only.
let settings = language + [.treatWarning("EmbeddedRestrictions", as: .error)]

/// A layer of the SDK; `Sources/README.md` says what belongs where. Imports go downwards only.
func library(
    _ name: String, _ dependencies: [Target.Dependency] = [], links: [String] = [], exclude: [String] = []
) -> Target {
    .target(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings,
        linkerSettings: links.map { .linkedLibrary($0) })
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: language)
}

/// Builds in both modes, as the library does.
func benchmark(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: ["CBench"] + dependencies, path: "Tests/Bench/\(name)", swiftSettings: settings)
}

let package = Package(
    name: "martlet",
    products: [
        .library(name: "Martlet", targets: ["Martlet"]),
        .library(name: "MartletHTTPSLink", targets: ["MartletHTTPSLink"]),
        .library(name: "MartletAsync", targets: ["MartletAsync"]),
        .library(name: "MartletINI", targets: ["MartletINI"]),
        .library(name: "MartletController", targets: ["MartletController"]),
        // So that a back end can be found.
        .library(name: "MartletAnnouncer", targets: ["MartletAnnouncer"]),
        .library(name: "MartletTestKit", targets: ["MartletTestKit"]),
        // The C interface, for `Boards/c-library`.
        .library(name: "MartletC", type: .static, targets: ["MartletC"]),
        .executable(name: "martlet", targets: ["MartletTool"]),
        .executable(name: "SelfCheck", targets: ["SelfCheck"]),
    ],
    targets: [
        // C: own shims, and the module maps of the installed libraries.
        .target(name: "CPosix"),
        .target(name: "CMartlet"),
        .target(name: "CSelfCheck"),
        // Loads libcurl when it is needed: only its headers take part in a build.
        .target(name: "CCurl"),
        .target(name: "CTool"),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CMosquitto", providers: [.apt(["libmosquitto-dev"])]),

        // Platform: one Swift module for each C library; they do not import each other.
        library("MartletPosix", ["CPosix"]),
        library("MartletOpenSSL", ["COpenSSL"], links: ["ssl", "crypto"]),
        library("MartletMosquitto", ["CMosquitto"], links: ["mosquitto"]),
        library("MartletCurl", ["CCurl"]),

        // Formats: pure Swift, no I/O, total on any input.
        library("MartletCBOR"),
        library("MartletCOSE", ["MartletCBOR"]),
        library("MartletEnvelope", ["MartletCBOR", "MartletCOSE"]),
        library("MartletMessages", ["MartletCBOR", "MartletCOSE", "MartletEnvelope"]),
        library("MartletSenML", ["MartletCBOR"]),
        library("MartletReplayWindow"),
        library("MartletJournal", exclude: ["FORMAT.md"]),
        library("MartletAudit", ["MartletCBOR", "MartletCOSE", "MartletEnvelope", "MartletMessages"]),
        library("MartletINI"),
        library("MartletDNS"),

        // Features: no I/O and no clock; bytes, events and times go in, bytes and actions come out.
        library(
            "MartletTelemetry",
            ["MartletCBOR", "MartletCOSE", "MartletSenML", "MartletEnvelope", "MartletMessages", "MartletJournal"],
            exclude: ["SPOOL.md"]),
        library(
            "MartletCommands",
            ["MartletCBOR", "MartletCOSE", "MartletEnvelope", "MartletMessages", "MartletReplayWindow"]),
        library("MartletEnrolment", ["MartletCOSE", "MartletEnvelope"]),
        library(
            "MartletState",
            [
                "MartletJournal", "MartletAudit", "MartletCBOR", "MartletCOSE", "MartletEnvelope", "MartletMessages",
                "MartletTelemetry", "MartletCommands",
            ], exclude: ["RECORDS.md"]),
        library(
            "MartletSession",
            [
                "MartletCBOR", "MartletCOSE", "MartletEnvelope", "MartletMessages", "MartletAudit", "MartletTelemetry",
                "MartletCommands", "MartletState",
            ]),

        library("MartletDiscovery", ["MartletDNS"]),

        // Adapters: platform types conform to the protocols that formats and features declare.
        library(
            "MartletAdapters",
            ["MartletOpenSSL", "MartletPosix", "MartletCOSE", "MartletJournal", "MartletSession"]),
        // Beside the others, so that who needs no HTTPS builds without libcurl's headers.
        library("MartletHTTPS", ["MartletOpenSSL", "MartletCurl"]),

        library("MartletAnnouncer", ["MartletDNS", "MartletDiscovery", "MartletPosix"]),

        // Faces.
        library(
            "Martlet",
            [
                "MartletPosix", "MartletOpenSSL", "MartletMosquitto", "MartletAdapters", "MartletCOSE",
                "MartletEnvelope", "MartletMessages", "MartletSenML", "MartletINI", "MartletJournal",
                "MartletTelemetry", "MartletCommands", "MartletState", "MartletSession",
            ]),
        library(
            "MartletHTTPSLink",
            [
                "Martlet", "MartletHTTPS", "MartletCurl", "MartletAdapters", "MartletOpenSSL", "MartletPosix",
                "MartletINI", "MartletMessages", "MartletSession", "MartletEnrolment",
            ]),
        library("MartletAsync", ["Martlet"]),
        library(
            "MartletC",
            ["CMartlet", "Martlet", "MartletHTTPSLink", "MartletPosix", "MartletMessages", "MartletSenML"]),
        library(
            "MartletController",
            [
                "MartletPosix", "MartletOpenSSL", "MartletMosquitto", "MartletAdapters", "MartletCBOR",
                "MartletCOSE", "MartletSenML", "MartletEnvelope", "MartletMessages", "MartletAudit",
                "MartletCommands", "MartletSession",
            ]),
        library(
            "MartletTestKit",
            [
                "MartletOpenSSL", "MartletAdapters", "MartletCOSE", "MartletSenML", "MartletEnvelope",
                "MartletMessages", "MartletAudit", "MartletJournal", "MartletTelemetry", "MartletCommands",
                "MartletState", "MartletSession",
            ]),
        .executableTarget(
            name: "MartletTool",
            dependencies: [
                "CTool", "Martlet", "MartletHTTPSLink", "MartletPosix", "MartletOpenSSL", "MartletMosquitto",
                "MartletCurl", "MartletHTTPS",
                "MartletAdapters", "MartletCOSE", "MartletEnvelope", "MartletMessages", "MartletSession", "MartletDNS",
                "MartletDiscovery", "MartletAnnouncer", "MartletEnrolment", "MartletINI",
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "SelfCheck",
            dependencies: [
                "CSelfCheck", "MartletPosix", "MartletOpenSSL", "MartletCurl", "MartletAdapters", "MartletCBOR",
                "MartletCOSE", "MartletSenML", "MartletEnvelope", "MartletMessages", "MartletReplayWindow",
                "MartletTelemetry", "MartletAudit", "MartletCommands", "MartletJournal", "MartletState",
                "MartletSession", "MartletTestKit", "MartletINI", "MartletDNS",
            ],
            swiftSettings: settings),

        // Tests mirror the sources. TestSupport starts real brokers and makes throw-away certificates.
        .target(
            name: "TestSupport", dependencies: ["MartletOpenSSL", "MartletPosix"], path: "Tests/TestSupport",
            exclude: ["https_server.py", "http2_server.py", "exchange_server.py"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        tests("MartletPosixTests", ["MartletPosix", "TestSupport"]),
        tests("MartletOpenSSLTests", ["MartletOpenSSL", "COpenSSL", "TestSupport"]),
        tests(
            "MartletMosquittoTests",
            ["CMosquitto", "MartletMosquitto", "MartletOpenSSL", "MartletPosix", "TestSupport"]),
        // HTTPS as a process of its own.
        .executableTarget(
            name: "HTTPSProgram", dependencies: ["MartletHTTPS", "MartletCurl", "MartletOpenSSL"],
            path: "Tests/HTTPSProgram", swiftSettings: language),
        tests(
            "MartletCurlTests",
            [
                "MartletCurl", "CCurl", "MartletHTTPS", "MartletOpenSSL", "COpenSSL", "HTTPSProgram", "TestSupport",
            ]),
        tests("MartletCBORTests", ["MartletCBOR", "TestSupport"]),
        tests("MartletCOSETests", ["MartletCOSE", "MartletCBOR", "MartletOpenSSL", "MartletAdapters", "TestSupport"]),
        // Beside the envelope, the worked examples of Sources/PROTOCOL.md: everything that the protocol is made of.
        tests(
            "MartletEnvelopeTests",
            [
                "MartletEnvelope", "MartletCBOR", "MartletCOSE", "MartletSenML", "MartletMessages",
                "MartletTelemetry", "MartletCommands", "MartletAudit", "MartletOpenSSL", "MartletAdapters",
                "MartletJournal", "MartletTestKit", "TestSupport",
            ]),
        tests(
            "MartletMessagesTests", ["MartletMessages", "MartletCBOR", "MartletCOSE", "MartletEnvelope", "TestSupport"]),
        tests("MartletSenMLTests", ["MartletSenML", "MartletCBOR", "TestSupport"]),
        tests("MartletReplayWindowTests", ["MartletReplayWindow"]),
        tests("MartletINITests", ["MartletINI"]),
        tests("MartletEnrolmentTests", ["MartletEnrolment", "MartletCOSE"]),
        tests("MartletDNSTests", ["MartletDNS", "TestSupport"]),
        tests("MartletDiscoveryTests", ["MartletDiscovery", "MartletDNS", "TestSupport"]),
        tests("MartletAnnouncerTests", ["MartletAnnouncer", "MartletDiscovery"]),
        tests(
            "MartletToolTests",
            [
                "MartletTool", "Martlet", "MartletHTTPSLink", "MartletController", "MartletCOSE", "MartletOpenSSL",
                "MartletPosix",
                "MartletDNS", "MartletDiscovery", "MartletEnrolment", "MartletAdapters", "MartletEnvelope",
                "MartletMessages", "TestSupport",
            ]),
        tests("MartletJournalTests", ["MartletJournal", "MartletAdapters", "MartletPosix", "MartletTestKit"]),
        tests(
            "MartletAuditTests",
            ["MartletAudit", "MartletAdapters", "MartletCBOR", "MartletCOSE", "MartletEnvelope", "TestSupport"]),
        tests(
            "MartletTelemetryTests",
            [
                "MartletTelemetry", "MartletTestKit", "MartletCOSE", "MartletSenML", "MartletEnvelope",
                "MartletMessages", "MartletJournal", "MartletAdapters", "TestSupport",
            ]),
        tests(
            "MartletCommandsTests",
            [
                "MartletCommands", "MartletTestKit", "MartletCOSE", "MartletEnvelope", "MartletMessages",
                "MartletReplayWindow",
            ]),
        tests(
            "MartletStateTests",
            [
                "MartletState", "MartletTestKit", "MartletAudit", "MartletCOSE", "MartletEnvelope", "MartletJournal",
                "MartletMessages", "MartletCommands", "MartletTelemetry",
            ]),
        tests(
            "MartletSessionTests",
            [
                "MartletSession", "MartletTestKit", "MartletAudit", "MartletCOSE", "MartletSenML", "MartletEnvelope",
                "MartletJournal", "MartletMessages", "MartletTelemetry", "MartletCommands", "MartletState",
            ]),
        // A device as a process of its own.
        .executableTarget(
            name: "DeviceProgram", dependencies: ["Martlet", "MartletHTTPSLink"], path: "Tests/DeviceProgram",
            swiftSettings: language),
        // A journal as a process of its own, for `Tests/power/run`.
        .executableTarget(
            name: "JournalProgram", dependencies: ["MartletJournal", "MartletPosix", "MartletAdapters"],
            path: "Tests/power/JournalProgram", swiftSettings: language),
        tests(
            "MartletTests",
            [
                "Martlet", "MartletAsync", "MartletC", "CMartlet", "MartletController", "MartletHTTPSLink",
                "MartletTestKit", "DeviceProgram", "TestSupport",
            ]),
        // A device in any weather, once for each seed: `Tests/run` builds it optimised.
        .executableTarget(
            name: "Simulator", dependencies: ["MartletTestKit", "MartletCommands", "MartletMessages"],
            path: "Tests/Simulator", exclude: ["run"], swiftSettings: language),
        // The C interface from C: misuse, and threads under the sanitizers. `Tests/c/run` builds and runs them.
        .executableTarget(name: "CMisuse", dependencies: ["MartletC"], path: "Tests/c/CMisuse"),
        .executableTarget(name: "CStress", dependencies: ["MartletC", "PlantedFaults"], path: "Tests/c/CStress"),
        .target(
            name: "PlantedFaults", dependencies: ["MartletPosix"], path: "Tests/c/PlantedFaults",
            swiftSettings: language),
        // Programs that Tests/Bench measures.
        .target(name: "CBench", path: "Tests/Bench/CBench"),
        benchmark("SteadyBench", ["Martlet"]),
        benchmark("TelemetryBench", ["Martlet", "MartletHTTPSLink"]),
        benchmark("FormatBench", ["MartletSenML", "MartletTelemetry"]),
        benchmark(
            "LatencyBench",
            [
                "Martlet", "MartletController", "MartletEnvelope", "MartletMessages", "MartletOpenSSL", "MartletPosix",
            ]),
        benchmark("LinkBench", ["MartletMosquitto", "MartletOpenSSL", "MartletPosix"]),
        benchmark(
            "GateBench",
            [
                "MartletAdapters", "MartletCOSE", "MartletCommands", "MartletEnvelope", "MartletJournal",
                "MartletMessages", "MartletOpenSSL", "MartletPosix", "MartletSenML", "MartletSession", "MartletState",
                "MartletTelemetry", "MartletTestKit",
            ]),
        benchmark(
            "SpoolBench",
            [
                "MartletAdapters", "MartletCOSE", "MartletEnvelope", "MartletJournal", "MartletMessages",
                "MartletOpenSSL", "MartletPosix", "MartletTelemetry",
            ]),
        benchmark("SignBench", ["MartletAdapters", "MartletCOSE", "MartletOpenSSL", "MartletPosix"]),
        tests("SelfCheckTests", ["SelfCheck", "MartletOpenSSL", "TestSupport"]),
        tests(
            "MartletControllerTests",
            [
                "MartletController", "MartletAdapters", "MartletCBOR", "MartletCommands", "MartletMosquitto",
                "MartletSenML", "TestSupport",
            ]),
    ],
    swiftLanguageModes: [.v6]
)
