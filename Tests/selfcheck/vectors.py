#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of Sources/SelfCheck that hold the files of Tests/Vectors and the worked examples of
Sources/PROTOCOL.md. SelfCheckTests fails when they are not what this program would write."""

import base64
import json
import pathlib
import re

root = pathlib.Path(__file__).resolve().parents[2]
vectors = root / "Tests/Vectors"
head = "// SPDX-License-Identifier: Apache-2.0\n\n// Written by Tests/selfcheck/vectors.py.\n\n"


def literal(digits, indent):
    """A multi-line string literal; its reader ignores white space."""
    pad = " " * indent
    lines = [digits[i : i + 100] for i in range(0, len(digits), 100)]
    return '"""\n' + "".join(f"{pad}{line}\n" for line in lines) + f'{pad}"""'


def table(name, comment, entries):
    text = f"    /// {comment}\n    static let {name}: [Self] = [\n"
    for entry in entries:
        text += "        Self(\n" + ",\n".join(f"            {part}" for part in entry) + "),\n"
    return text + "    ]\n"


def spki(jwk):
    def coordinate(text):
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()

    return "3059301306072a8648ce3d020106082a8648ce3d03010703420004" + coordinate(jwk["x"]) + coordinate(jwk["y"])


def cose():
    files = [(file.stem, json.loads(file.read_text())) for file in sorted((vectors / "cose-sign1").glob("*.json"))]
    keys = {spki(vector["input"]["sign0"]["key"]) for _, vector in files}
    if len(keys) != 1:
        raise SystemExit("cose-sign1: more than one key")
    entries = [
        [f'name: "{name}"', f'isForged: {"true" if vector.get("fail") else "false"}']
        + [f'external: "{vector["input"]["sign0"].get("external", "")}"']
        + ["message: " + literal(vector["output"]["cbor"].lower(), 16)]
        for name, vector in files
    ]
    return (
        "/// A message of Tests/Vectors/cose-sign1, in hex digits.\nstruct COSEVector: Sendable {\n"
        "    let name: StaticString\n    let isForged: Bool\n    let external: StaticString\n"
        "    let message: StaticString\n\n    /// The key of all, a SubjectPublicKeyInfo.\n"
        f"    static let publicKey: StaticString = {literal(keys.pop(), 8)}\n\n"
        + table("all", "Every file of the folder.", entries)
        + "}\n"
    )


def envelopes():
    entries = [
        [f'name: "{file.stem}"', "digits: " + literal("".join(file.read_text().split()), 16)]
        for file in sorted((vectors / "envelopes").glob("*.hex")) + [vectors / "senml-pack.hex"]
    ]
    document = (root / "Sources/PROTOCOL.md").read_text()
    examples = []
    for name, block in re.findall(r"^```hex (\w+)\n(.*?)^```", document, re.M | re.S):
        digits = "".join("".join(line.split("#")[0].split()) for line in block.splitlines())
        examples.append([f'name: "{name}"', "digits: " + literal(digits, 16)])
    return (
        "/// A named row of bytes, in hex digits.\nstruct ByteVector: Sendable {\n"
        "    let name: StaticString\n    let digits: StaticString\n\n"
        + table("files", "Tests/Vectors/envelopes, and the SenML pack beside it.", entries)
        + "\n"
        + table("examples", "The blocks of Sources/PROTOCOL.md: keys, messages and their hashes.", examples)
        + "}\n"
    )


def appendix():
    entries = json.loads((vectors / "cbor-appendix-a.json").read_text())
    lines = "".join(
        f'        Self("{entry["hex"]}", isDeterministic: {"true" if entry["roundtrip"] else "false"}),\n' for entry in entries
    )
    return (
        "/// An item of RFC 8949 appendix A, in hex digits.\nstruct CBORVector: Sendable {\n"
        "    let bytes: StaticString\n    let isDeterministic: Bool\n\n"
        "    init(_ bytes: StaticString, isDeterministic: Bool) {\n"
        "        self.bytes = bytes\n        self.isDeterministic = isDeterministic\n    }\n\n"
        "    /// Tests/Vectors/cbor-appendix-a.json; `isDeterministic` is its `roundtrip`.\n"
        "    static let all: [Self] = [\n" + lines + "    ]\n}\n"
    )


for name, text in ("CBORVector", appendix()), ("COSEVector", cose()), ("ByteVector", envelopes()):
    (root / f"Sources/SelfCheck/{name}.swift").write_text(head + text)
