// SPDX-License-Identifier: Apache-2.0

@main struct SelfCheck {
    static func main() {}
}
