// SPDX-License-Identifier: Apache-2.0

// Written by Tests/selfcheck/vectors.py.

/// A message of Tests/Vectors/cose-sign1, in hex digits.
struct COSEVector: Sendable {
    let name: StaticString
    let isForged: Bool
    let external: StaticString
    let message: StaticString

    /// The key of all, a SubjectPublicKeyInfo.
    static let publicKey: StaticString = """
        3059301306072a8648ce3d020106082a8648ce3d03010703420004bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228
        255a219a86d6a09eff20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e
        """

    /// Every file of the folder.
    static let all: [Self] = [
        Self(
            name: "sign-fail-01",
            isForged: true,
            external: "",
            message: """
                d903e68443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc
                6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36
                """),
        Self(
            name: "sign-fail-02",
            isForged: true,
            external: "",
            message: """
                d28443a10126a10442313154546869732069732074686520636f6e74656e742f58408eb33e4ca31d1c465ab05aac34cc6b23
                d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36
                """),
        Self(
            name: "sign-fail-03",
            isForged: true,
            external: "",
            message: """
                d28445a1013903e6a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc
                6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36
                """),
        Self(
            name: "sign-fail-04",
            isForged: true,
            external: "",
            message: """
                d2844aa10167756e6b6e6f776ea10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465a
                b05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4
                c345cacb36
                """),
        Self(
            name: "sign-fail-06",
            isForged: true,
            external: "",
            message: """
                d28445a201260300a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc
                6b23d58fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36
                """),
        Self(
            name: "sign-fail-07",
            isForged: true,
            external: "",
            message: """
                d28443a10126a10442313154546869732069732074686520636f6e74656e742e58406520bbaf2081d7e0ed0f95f76eb0733d
                667005f7467cec4b87b9381a6ba1ede8e00df29f32a37230f39a842a54821fdd223092819d7728efb9d3a0080b75380b
                """),
        Self(
            name: "sign-pass-01",
            isForged: false,
            external: "",
            message: """
                d28441a0a201260442313154546869732069732074686520636f6e74656e742e584087db0d2e5571843b78ac33ecb2830df7
                b6e0a4d5b7376de336b23c591c90c425317e56127fbe04370097ce347087b233bf722b64072beb4486bda4031d27244f
                """),
        Self(
            name: "sign-pass-02",
            isForged: false,
            external: "11aa22bb33cc44dd55006699",
            message: """
                d28443a10126a10442313154546869732069732074686520636f6e74656e742e584010729cd711cb3813d8d8e944a8da7111
                e7b258c9bdca6135f7ae1adbee9509891267837e1e33bd36c150326ae62755c6bd8e540c3e8f92d7d225e8db72b8820b
                """),
        Self(
            name: "sign-pass-03",
            isForged: false,
            external: "",
            message: """
                8443a10126a10442313154546869732069732074686520636f6e74656e742e58408eb33e4ca31d1c465ab05aac34cc6b23d5
                8fef5c083106c4d25a91aef0b0117e2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36
                """),
    ]
}
