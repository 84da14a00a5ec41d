# SPDX-License-Identifier: Apache-2.0
"""SPL-06: the program and journal.py read the same from files that somebody has changed, whatever the change."""

import collections
import os
import pathlib
import random
import shutil
import stat
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


def frame(index, length, content):
    return struct.pack("<4sIII", b"JFRM", index, length, length ^ 0xFFFFFFFF) + content


@change
def foreign_frames(data, rng):
    """Headers that could be right, with tags that are not: about as many as a reader may try."""
    at, index = rng.choice((64, 64, place(data, rng))), rng.choice((0, 3, 100))
    lengths = rng.choice(((24,), (24, 32), (24, 1 << 31)))
    for _ in range(rng.choice((1, 2, 63, 64, 65))):
        data[at:at + 40] = frame(index, rng.choice(lengths), rng.randbytes(24))
        at += 40
    return data


@change
def another_end(data, rng):
    """Something behind the last frame, as whole as a cut, or somebody, would leave it."""
    last = data.rfind(b"JFRM")
    if last < 0 or len(data) - last < 40:
        return data
    index, length = struct.unpack_from("<II", data, last + 4)
    at = last + 16 + length
    length = rng.choice((24, 32, 480, 600, 1200, 2000, 7))
    index = min(index, 1 << 20) + rng.choice((0, 1, 1, 1, 1, 2))
    found = bytearray(frame(index, length, rng.randbytes(length)))
    for border in range(512, len(found) + 512, 512):
        if rng.random() < 0.2:
            end = border - at % 512
            begin = max(0, end - 512)
            found[begin:max(begin, end)] = bytes(len(found[begin:max(begin, end)]))
    if rng.random() < 0.2:
        found = found[:rng.choice((1, 4, 8, 12, 16, 24))]
    data[at:at + len(found)] = found
    if rng.random() < 0.2:
        data = data[:at + rng.choice((1, 8, 15, 16, 24, 40))]
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


MUTATIONS = (flipped, cut, longer, zeros, zeros_to_the_end, moved, foreign_frames, another_end, another_end,
             header_field, removed, swapped, renamed, no_file, other_key)


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
            # A file that is none, or empty, is the end of it.
            if segments(directory) and all(stat.S_ISREG((status := path.lstat()).st_mode) and status.st_size
                                           for path in segments(directory)):
                mutation(directory, rng)
        try:
            found = read(directory)
            check(None not in found.state, "a record that nobody wrote")
        except Failure as failure:
            raise Failure(f"round {number}, seed {seed}, {names}: {failure}") from failure
        damaged["damage told" if found.damage else "none"] += 1
    yield (f"SPL-06 two independent readers agree about {rounds} journals that were changed "
           f"(damage told in {damaged['damage told']}; seed {seed})")
