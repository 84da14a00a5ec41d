# SPDX-License-Identifier: Apache-2.0
"""SPL-06: the program and journal.py read the same from files that somebody has changed, whatever the change."""

import collections
import os
import pathlib
import random
import shutil
import struct

from harness import Failure, check, read, write


def segments(directory):
    return sorted(directory.glob("journal-*"))


def place(data, rng, unit=8):
    return rng.randrange(0, max(1, len(data) // unit)) * unit


def change(function):
    """A mutation of the bytes of one file."""
    def mutate(directory, rng):
        path = rng.choice(segments(directory))
        data = bytearray(path.read_bytes())
        path.write_bytes(function(data, rng))
    mutate.__name__ = function.__name__
    return mutate


@change
def flipped(data, rng):
    for _ in range(rng.choice((1, 1, 2, 30))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


@change
def cut(data, rng):
    return data[:rng.choice((rng.randrange(len(data)), rng.randrange(80), place(data, rng)))]


@change
def longer(data, rng):
    return data + rng.choice((bytes(rng.randrange(5000)), rng.randbytes(rng.randrange(5000))))


@change
def zeros(data, rng):
    unit = rng.choice((8, 16, 512, 512, 1024, 4096))
    at = place(data, rng, unit)
    data[at:at + unit] = bytes(len(data[at:at + unit]))
    return data


@change
def zeros_to_the_end(data, rng):
    at = place(data, rng, rng.choice((8, 512)))
    data[at:] = bytes(len(data) - at)
    return data


@change
def moved(data, rng):
    size, source, target = rng.choice((64, 512, 2048)), place(data, rng), place(data, rng)
    part = data[source:source + size]
    data[target:target + len(part)] = part
    return data


@change
def foreign_frames(data, rng):
    """Headers that could be right, with tags that are not."""
    at = rng.choice((64, place(data, rng)))
    for _ in range(rng.choice((1, 2, 63, 64, 65, 100))):
        length = rng.choice((24, 24, 32, 512, 1 << 31))
        frame = struct.pack("<4sIII", b"JFRM", rng.randrange(40), length, length ^ 0xFFFFFFFF) + rng.randbytes(24)
        data[at:at + len(frame)] = frame
        at += len(frame)
    return data


@change
def header_field(data, rng):
    at, form = rng.choice(((8, "<H"), (10, "<B"), (11, "<B"), (16, "<Q"), (24, "<Q")))
    value = rng.choice((0, 1, 2, 255, 4096, 8192, 8200, 8191, 1 << 20, 1 << 21, 1 << 62, (1 << 64) - 8))
    if len(data) >= 64:
        struct.pack_into(form, data, at, value & ((1 << 8 * struct.calcsize(form)) - 1))
    return data


def removed(directory, rng):
    rng.choice(segments(directory)).unlink()


def swapped(directory, rng):
    one, other = rng.choice(segments(directory)), rng.choice(segments(directory))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def renamed(directory, rng):
    name = rng.choice((
        "journal-1-0000000000000000", "journal-1-0000000000000001", "journal-1-00000000000000ff",
        "journal-1-7fffffffffffffff", "journal-1-8000000000000000", "journal-1-ffffffffffffffff",
        "journal-1-00000000000000FF", "journal-01-00000000000000ff", "journal-2-0000000000000001",
        "journal-257-0000000000000001", "journal-1-ff", "journal-1-000000000000000g", "journal--0000000000000001",
        "journal-1-0000000000000001.new"))
    rng.choice(segments(directory)).rename(directory / name)


def no_file(directory, rng):
    name = directory / f"journal-1-{rng.choice((1, 255)):016x}"
    name.unlink(missing_ok=True)
    match rng.randrange(4):
        case 0:
            name.mkdir()
        case 1:
            os.mkfifo(name, 0o600)
        case 2:
            name.symlink_to(rng.choice(("master.key", "nothing", segments(directory)[0].name)))
        case 3:
            name.write_bytes(b"")
            name.chmod(0o600)


def other_key(directory, rng):
    (directory / "master.key").write_bytes(rng.randbytes(32))


MUTATIONS = (flipped, cut, longer, zeros, zeros_to_the_end, moved, foreign_frames, header_field, removed, swapped,
             renamed, no_file, other_key)


def mutations(folder, seed, rounds):
    rng = random.Random(seed)
    whole, directory = pathlib.Path(folder) / "whole", pathlib.Path(folder) / "journal"
    for count in (30, 3, 12):
        check(write(whole, count).status == 0, "no journal to begin with")
    damaged = collections.Counter()
    for number in range(rounds):
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(whole, directory)
        chosen = [rng.choice(MUTATIONS) for _ in range(rng.choice((1, 1, 2, 4)))]
        names = [mutation.__name__ for mutation in chosen]
        for mutation in chosen:
            if all(path.is_file() and path.stat().st_size for path in segments(directory)) and segments(directory):
                mutation(directory, rng)
        try:
            found = read(directory)
            check(None not in found.state, "a record that nobody wrote")
        except Failure as failure:
            raise Failure(f"round {number}, seed {seed}, {names}: {failure}") from failure
        damaged["damage told" if found.damage else "none"] += 1
    yield (f"SPL-06 two independent readers agree about {rounds} journals that were changed "
           f"(damage told in {damaged['damage told']}; seed {seed})")
