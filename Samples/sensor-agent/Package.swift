// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let language: [SwiftSetting] = [
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "sensor-agent",
    products: [.executable(name: "sensor-agent", targets: ["sensor-agent"])],
    dependencies: [.package(name: "martlet", path: "../..")],
    targets: [
        // Arguments, signals, files and time: what Swift cannot reach without Foundation or Glibc.
        .target(name: "CAgent"),
        .executableTarget(
            name: "sensor-agent",
            dependencies: [
                "CAgent", .product(name: "Martlet", package: "martlet"),
                .product(name: "MartletINI", package: "martlet"),
            ],
            swiftSettings: language + [.treatWarning("EmbeddedRestrictions", as: .error)]),
        .testTarget(
            name: "SensorAgentTests",
            dependencies: [
                "sensor-agent", .product(name: "Martlet", package: "martlet"),
                .product(name: "MartletINI", package: "martlet"),
            ],
            swiftSettings: language),
    ],
    swiftLanguageModes: [.v6]
)
