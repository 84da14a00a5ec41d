// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

let language: [SwiftSetting] = [
    .enableExperimentalFeature("Lifetimes"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "gateway",
    products: [.executable(name: "martlet-gateway", targets: ["martlet-gateway"])],
    dependencies: [
        .package(name: "martlet", path: "../.."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/swhitty/FlyingFox", .upToNextMinor(from: "0.27.1")),
    ],
    targets: [
        .executableTarget(
            name: "martlet-gateway",
            dependencies: [
                .product(name: "MartletController", package: "martlet"),
                .product(name: "MartletAnnouncer", package: "martlet"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "FlyingFox", package: "FlyingFox"),
                .product(name: "FlyingSocks", package: "FlyingFox"),
            ],
            swiftSettings: language),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "martlet-gateway", .product(name: "MartletController", package: "martlet"),
                .product(name: "MartletAnnouncer", package: "martlet"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: language),
    ],
    swiftLanguageModes: [.v6]
)
