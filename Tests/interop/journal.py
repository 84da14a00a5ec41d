#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a journal, by Sources/MartletJournal/FORMAT.md alone; Tests/power compares it with the Swift reader.

    journal.py DIRECTORY DEVICE STREAM          with the key of DIRECTORY/master.key

prints the records of the state in hexadecimal, and the damage.
"""

import dataclasses
import pathlib
import re
import stat
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC, FRAME = b"MARTLETJ", b"JFRM"
HEADER, FRAME_HEADER, TAG, SECTOR = 64, 16, 16, 512
LARGEST = 1 << 20
FAILURES = 64
END_OF_NUMBERS = 1 << 63


@dataclasses.dataclass
class Frame:
    offset: int
    index: int
    end: int
    sealed: bytes
    plaintext: bytes


@dataclasses.dataclass
class Segment:
    """What one file holds. `damage` is what recovery counts if it delivers from it; `unfinished`: there is something
    behind the last frame."""

    frames: list = dataclasses.field(default_factory=list)
    damage: int = 0
    unfinished: bool = False


@dataclasses.dataclass
class Content:
    records: list
    damage: int
    history: list
    unfinished: int


class Cipher:
    def __init__(self, header, master, device, stream):
        info = b"martlet/1/segment\0" + device + b"\0" + bytes([stream])
        self.header, self.salt = header, header[32:64]
        self.cipher = AESGCM(HKDF(SHA256(), 32, self.salt, info).derive(master))

    def open(self, index, sealed):
        """The plaintext, or None if the tag is wrong."""
        additional = self.header + struct.pack("<II", index, len(sealed))
        try:
            return self.cipher.decrypt(struct.pack(">IQ", 0, index), sealed, additional)
        except InvalidTag:
            return None


def header_size(header, stream, number=None):
    """The size that a header states, or None if it is not right; without `number` any will do."""
    if len(header) < HEADER:
        return None
    magic, version, its_stream, zeros, its_number, size = struct.unpack_from("<8sHB5sQQ", header)
    right = (magic, version, its_stream, zeros) == (MAGIC, 1, stream, bytes(5)) and number in (None, its_number)
    return size if right and 4096 <= size <= LARGEST and size % 8 == 0 else None


def frame_at(data, offset):
    """Index and end of the frame whose header is at `offset`, or None."""
    if len(data) - offset < FRAME_HEADER:
        return None
    magic, index, length, inverted = struct.unpack_from("<4sIII", data, offset)
    right = magic == FRAME and length ^ inverted == 0xFFFFFFFF and length % 8 == 0 and length >= 24
    end = offset + FRAME_HEADER + length
    return (index, end) if right and end <= len(data) else None


def places(data, offset):
    """Multiples of 8 from `offset` where a frame may begin."""
    while 0 <= (offset := data.find(FRAME, offset)):
        if offset % 8 == 0:
            yield offset
        offset += 1


def scan(data, cipher):
    """The readable frames, how many failed by their tag, the end of the last frame, and the index expected there."""
    frames, failed, end, expected = [], 0, HEADER, 0
    for offset in places(data, HEADER):
        if offset < end or len(data) - offset < 40:
            continue
        found = frame_at(data, offset)
        if not found or found[0] < expected:
            continue
        index, stop = found
        sealed = data[offset + FRAME_HEADER:stop]
        plaintext = cipher.open(index, sealed)
        if plaintext is None:
            failed += 1
            if failed == FAILURES:
                break
            continue
        frames.append(Frame(offset, index, stop, sealed, plaintext))
        end, expected = stop, index + 1
    return frames, failed, end, expected


def records_of(plaintext):
    """The records, and whether the plaintext is nothing else."""
    records, offset = [], 4
    if len(plaintext) < 4:
        return records, False
    for _ in range(struct.unpack_from("<I", plaintext)[0]):
        if len(plaintext) - offset < 4:
            return records, False
        (length,) = struct.unpack_from("<I", plaintext, offset)
        if length > len(plaintext) - offset - 4:
            return records, False
        records.append(plaintext[offset + 4:offset + 4 + length])
        offset += 4 + length
    padding = plaintext[offset:]
    return records, len(padding) < 8 and not any(padding) and len(plaintext) % 8 == 0


def damaged_end(data, end, expected):
    """Whether what is behind the last readable frame was once written completely."""
    if len(data) - end < FRAME_HEADER:
        return any(data[end:])
    if not any(data[end:end + 8]):
        return False
    if (end + 8) % SECTOR == 0 and not any(data[end + 8:end + 16]):
        return False
    found = frame_at(data, end)
    if not found or found[0] != expected:
        return True
    borders = [end, *range((end // SECTOR + 1) * SECTOR, found[1], SECTOR), found[1]]
    return all(any(data[a:b]) for a, b in zip(borders, borders[1:]))


def read_segment(path, number, master, device, stream):
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return Segment(damage=1)
        data = path.read_bytes()
    except OSError:
        return Segment(damage=1)
    header = data[:HEADER]
    if not any(header):
        return Segment(unfinished=any(data))
    size = header_size(header, stream, number)
    if size is None:
        return Segment(damage=1)
    short, data = len(data) < size, data[:size]
    frames, failed, end, expected = scan(data, Cipher(header, master, device, stream))
    indices = [-1] + [frame.index for frame in frames]
    damage = sum(after != before + 1 for before, after in zip(indices, indices[1:]))
    damage += sum(not records_of(frame.plaintext)[1] for frame in frames)
    damage += failed == FAILURES or damaged_end(data, end, expected)
    return Segment(frames, damage + short, any(data[end:]))


def read(directory, master, device, stream):
    damage, files = 0, {}
    for path in directory.iterdir():
        match = re.fullmatch(r"journal-(0|[1-9]\d{0,2})-([0-9a-f]{16})", path.name)
        if match and int(match[1]) == stream:
            number = int(match[2], 16)
            if number >= END_OF_NUMBERS:
                damage += 1
            else:
                files[number] = path
    segments = [read_segment(files[n], n, master, device, stream) for n in sorted(files)]
    begins = [place for place, segment in enumerate(segments) if segment.frames and segment.frames[0].index == 0]
    base = begins[-1] if begins else 0
    records, history = [], []
    for place, segment in enumerate(segments):
        if place >= base:
            damage += segment.damage
        for frame in segment.frames:
            found = records_of(frame.plaintext)[0]
            history += found
            if place >= base:
                if frame.index == 0 and found:
                    records = []
                records += found
    return Content(records, damage, history, sum(segment.unfinished for segment in segments))


def genuine_frames(data, master, device, stream):
    """Salt, index and ciphertext of every frame whose tag is right, in any order, behind any header of the stream."""
    if header_size(data[:HEADER], stream) is None:
        return []
    cipher = Cipher(data[:HEADER], master, device, stream)
    found = []
    for offset in places(data, HEADER):
        frame = frame_at(data, offset)
        if frame:
            sealed = data[offset + FRAME_HEADER:frame[1]]
            if cipher.open(frame[0], sealed) is not None:
                found.append((cipher.salt, frame[0], sealed))
    return found


def main(directory, device, stream):
    directory = pathlib.Path(directory)
    content = read(directory, (directory / "master.key").read_bytes(), device.encode(), int(stream))
    for record in content.records:
        print(record.hex())
    print("damage", content.damage)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
