#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads Tests/Vectors/senml-pack.hex, which the Swift encoder writes, with independent implementations.

    python3 -m venv VENV && VENV/bin/pip install kpn-senml && VENV/bin/python Tests/interop/senml.py

kpn-senml (tried: 1.0.1) gives names and values; it has no unit, time or sum of what it reads. Those fields are
checked with cbor2, on which it builds, against the rules of RFC 8428 section 4.5.
"""

import builtins
import pathlib
import sys

import cbor2
from kpn_senml import SenmlPack

# kpn-senml 1.0.1 still names the string type of Python 2.
builtins.basestring = str

BASE_NAME = "urn:dev:mac:0024befffe804ff1:"
BASE_TIME = 1763769600

# name, value, sum, unit, seconds after the base time
EXPECTED = [
    ("temperature", 51.2, None, "Cel", 0),
    ("supply", -0.5, None, "V", -0.25),
    ("cycles", 70000, None, "V", -61),
    ("door", True, None, "Cel", -0.001),
    ("state", "läuft", None, "Cel", 0),
    ("energy", None, 1234.5, "W", 1),
]


def check(what, actual, expected):
    if actual != expected or type(actual) is not type(expected):
        sys.exit(f"senml.py: {what}: read {actual!r}, expected {expected!r}")


def check_with_kpn(data):
    records = []
    pack = SenmlPack(BASE_NAME, lambda record, device=None: records.append((record.name, record.value)))
    pack.from_cbor(data)
    check("kpn-senml, names and values", records, [(name, value) for name, value, *_ in EXPECTED])


def check_fields(data):
    """Resolves the records by RFC 8428 and compares every field."""
    names = {-2: "bn", -3: "bt", -4: "bu", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t"}
    base = {}
    pack = cbor2.loads(data)
    check("number of records", len(pack), len(EXPECTED))
    for record, (name, value, total, unit, time) in zip(pack, EXPECTED):
        record = {names[label]: field for label, field in record.items()}
        base.update({label: record.pop(label) for label in ("bn", "bt", "bu") if label in record})
        check(f"{name}: name", base["bn"] + record.pop("n"), BASE_NAME + name)
        check(f"{name}: unit", record.pop("u", base["bu"]), unit)
        check(f"{name}: time", float(base["bt"] + record.pop("t", 0)), float(BASE_TIME + time))
        check(f"{name}: sum", record.pop("s", None), total)
        label = {bool: "vb", str: "vs"}.get(type(value), "v")
        check(f"{name}: value", record.pop(label, None), value)
        check(f"{name}: other fields", record, {})


def main():
    vector = pathlib.Path(__file__).parent.parent / "Vectors" / "senml-pack.hex"
    data = bytes.fromhex(vector.read_text())
    check_with_kpn(data)
    check_fields(data)
    print(f"senml.py: {len(EXPECTED)} records read as written")


main()
