# SPDX-License-Identifier: Apache-2.0
"""The example of FORMAT.md, read by journal.py."""

import pathlib
import re

import journal
from harness import check

FORMAT = pathlib.Path(__file__).resolve().parents[2] / "Sources/MartletJournal/FORMAT.md"


def example(folder):
    text = FORMAT.read_text().split("## Example", 1)[1]
    segment = bytes.fromhex("".join(re.findall(r"^ {4}([0-9a-f]+)$", text, re.MULTILINE)))
    segment += bytes(4096 - len(segment))
    path = pathlib.Path(folder) / "journal-1-0000000000000001"
    path.write_bytes(segment)
    content = journal.read(path.parent, bytes(range(32)), b"device-1", 1)
    check((content.records, content.damage) == ([b"hello", b"one", b"", b"two"], 0), f"read {content}")
    yield "FORMAT.md: an independent reader reads its example"
