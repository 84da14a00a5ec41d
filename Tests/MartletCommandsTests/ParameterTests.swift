// SPDX-License-Identifier: Apache-2.0

import MartletCommands
import MartletMessages
import Testing

@Suite struct ParameterTests {
    private struct Row {
        let parameter: Parameter
        let accepted: [CommandValue]
        let refused: [CommandValue]
    }

    private static func text(_ text: String) -> CommandValue { .text(bytes(text)) }

    private static let rows: [Row] = [
        Row(
            parameter: .integer(-5...5), accepted: [.integer(-5), .integer(0), .integer(5)],
            refused: [.integer(-6), .integer(6), .number(1), .boolean(true), text("1"), .data([1]), .integer(.max)]),
        Row(
            parameter: .integer(.min ... .max), accepted: [.integer(.min), .integer(.max)], refused: [.number(0)]),
        Row(
            parameter: .number(-0.5...1.5), accepted: [.number(-0.5), .number(1.5), .number(-0.0)],
            refused: [.number(-0.6), .number(1.6), .integer(2), .boolean(false), text("1")]),
        Row(parameter: .boolean, accepted: [.boolean(true), .boolean(false)], refused: [.integer(1), text("true")]),
        Row(
            parameter: .text(maximumLength: 3), accepted: [text(""), text("abc"), text("\u{20ac}")],
            refused: [text("abcd"), text("\u{20ac}x"), .data([0x61]), .integer(1)]),
        Row(
            parameter: .choice(["on", "off"]), accepted: [text("on"), text("off")],
            refused: [text("On"), text("o"), text("offx"), text(""), .boolean(true), .data(bytes("on"))]),
        Row(
            parameter: .data(maximumLength: 2), accepted: [.data([]), .data([0xff, 0])],
            refused: [.data([1, 2, 3]), text("ab"), .integer(1)]),
    ]

    @Test func `each kind of parameter takes what it names and nothing else`() throws {
        for (index, row) in Self.rows.enumerated() {
            for (values, verdict) in [(row.accepted, Judged.accepted), (row.refused, .answered(.badArguments))] {
                for value in values {
                    let bench = try Bench([row.parameter])
                    #expect(try bench.judge(bench.command([value])) == verdict, "row \(index), \(value)")
                }
            }
        }
    }

    @Test func `a declaration has a valid name and at most 8 parameters`() {
        #expect(CommandDeclaration(name: bytes("a"), parameters: [Parameter](repeating: .boolean, count: 8)) != nil)
        #expect(CommandDeclaration(name: bytes("a"), parameters: [Parameter](repeating: .boolean, count: 9)) == nil)
        for name in ["", "A", "1a", "-a", "a b", "a_b", String(repeating: "a", count: 33)] {
            #expect(CommandDeclaration(name: bytes(name), parameters: []) == nil, "\(name)")
        }
    }
}
