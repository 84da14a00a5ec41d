#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads Tests/Vectors/spool, which the Swift spool writes, by Sources/MartletTelemetry/SPOOL.md and
Sources/MartletJournal/FORMAT.md alone."""

import io
import pathlib
import struct
import sys
import tempfile

import cbor2
import journal

MASTER, DEVICE, STREAM = bytes(range(32)), b"device-1", 3

# Sequence numbers that wait, and how many readings each has.
WAITING = {1001: 0, 1002: 1, 1003: 2, 2000: 5}


def fail(what):
    sys.exit(f"spool.py: {what}")


def check(what, actual, expected):
    if actual != expected:
        fail(f"{what}: read {actual!r}, expected {expected!r}")


class Lane:
    """A lane as its records tell it, one after the other."""

    def __init__(self):
        self.end = self.released = [0, 0, 0]
        self.time = 0
        self.head, self.bytes, self.envelopes, self.readings, self.lost = None, 0, {}, {}, []

    def state(self, body, begins):
        stream = io.BytesIO(body)
        fields = cbor2.load(stream)
        if stream.read() or len(fields) != 9 or cbor2.dumps(fields, canonical=True) != body:
            fail(f"not a state: {body.hex()}")
        end = fields[0:3]
        if end[1] != self.end[1]:
            self.lost.append((self.end[0], end[0] - 1))
        self.end, self.released, self.head = end, fields[3:6], fields[8]
        self.time = fields[7]
        if begins:
            self.bytes = fields[6]

    def envelope(self, body):
        sequence, readings = struct.unpack_from(">QH", body)
        if sequence != self.end[0]:
            self.lost.append((self.end[0], sequence - 1))
        self.end = [sequence + 1, self.end[1] + 1, self.end[2] + readings]
        self.envelopes[sequence], self.readings[sequence] = body[10:], readings

    def read(self, segment):
        for place, frame in enumerate(segment.frames):
            records, whole = journal.records_of(frame.plaintext)
            if not whole or records[-1][0] != 1 or (place == 0 and records[0][0] != 1):
                fail("a frame does not end, or a segment not begin, with a record of kind 1")
            for number, record in enumerate(records):
                if record[0] == 1:
                    self.state(record[1:], place == 0 and number == 0)
                elif record[0] == 2:
                    self.envelope(record[1:])
                else:
                    fail(f"a record of kind {record[0]}")


def segments():
    for vector in sorted((pathlib.Path(__file__).parent.parent / "Vectors/spool").glob("*.hex")):
        data = bytes.fromhex(vector.read_text())
        data += bytes(struct.unpack_from("<Q", data, 24)[0] - len(data))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, vector.stem)
            path.write_bytes(data)
            segment = journal.read_segment(path, int(vector.stem[-16:], 16), MASTER, DEVICE, STREAM)
        check(f"damage of {vector.stem}", segment.damage, 0)
        yield segment


def main():
    lane, used = Lane(), 0
    for segment in segments():
        lane.read(segment)
        check("bytes before", lane.bytes, used)
        used += segment.frames[-1].end
    waiting = {number: readings for number, readings in lane.readings.items() if number >= lane.released[0]}
    check("what waits", waiting, WAITING)
    for number, envelope in lane.envelopes.items():
        check("an envelope", envelope, b"envelope %d" % number)
    check("what is lost", lane.lost, [])
    check("the end", lane.end, [2001, 5, 6 + sum(WAITING.values())])
    check("what is released", lane.released, [1001, 1, 6])
    check("the time", lane.time, 1_750_000_000)
    check("the head", lane.head, [2000, struct.pack("<Q", 2000) * 4])
    print(f"spool.py: {len(lane.envelopes)} envelopes of {used} bytes, {len(waiting)} of which wait")


if __name__ == "__main__":
    main()
