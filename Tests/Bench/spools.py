# SPDX-License-Identifier: Apache-2.0
"""The spool beside a queue in SQLite, and what both write to a disk: spools.py WORK … [--quick], as root and in a mount
namespace of its own. Prints rows for measure.py, as JSON."""
import contextlib
import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from table import missed, path, quick, ratio_row, row, rows, say, values

COUNT, GROUP, SIZE = 100_000, 16, 200
libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """An ext4 with blocks of 4 KiB, in memory: what is written to it is counted, and no other disk is waited for."""

    def __init__(self, folder):
        image, point = os.path.join(folder, "image"), os.path.join(folder, "disk")
        with open(image, "wb") as file:
            file.truncate(256 << 20)
        os.mkdir(point)
        for command in (
                ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-E",
                 "nodiscard,lazy_itable_init=0,lazy_journal_init=0", image],
                ["mount", "-o", "loop", image, point]):
            subprocess.run(command, check=True, timeout=60)
        self.point, self.directory = point, os.path.join(point, "state")
        os.mkdir(self.directory, 0o700)
        device = os.stat(point).st_dev
        self.statistics = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat"

    def written(self):
        """Bytes that the device was given so far, when nothing waits."""
        self.sync()
        with open(self.statistics) as text:
            return int(text.read().split()[6]) * 512

    def sync(self):
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            if libc.syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), "syncfs")
        finally:
            os.close(descriptor)

    def used(self):
        return sum(os.stat(entry).st_blocks * 512 for entry in os.scandir(self.directory))


@contextlib.contextmanager
def disk():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        found = Disk(folder)
        try:
            yield found
        finally:
            subprocess.run(["umount", found.point], check=True, timeout=60)


def resident(pid):
    """KiB of memory."""
    with open(f"/proc/{pid}/status") as text:
        return int(re.search(r"^VmRSS:\s*(\d+)", text.read(), re.M)[1])


def pausing(command, paused):
    """Runs a program that pauses now and then; `paused` is called with the process at each pause."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    text = ""
    for line in child.stdout:
        if line.startswith("paused"):
            paused(child)
            child.stdin.write("\n")
            child.stdin.flush()
        else:
            text += line
    if child.wait(timeout=60) != 0:
        sys.exit(f"{os.path.basename(command[0])} failed")
    return values(text)


def queue(program, directory, paused):
    """Puts everything in, and takes it out."""
    return pausing([path(program), directory, str(COUNT), str(GROUP)], paused)


def on_disk(program):
    with disk() as found:
        before, used, memory = found.written(), [], []

        def paused(child):
            used.append(found.used())
            memory.append(resident(child.pid))

        result = queue(program, found.directory, paused)
        return {**result, "device": found.written() - before, "used": max(used), "memory": memory}


def compare():
    say("spool, SQLite and SQLCipher")
    programs = ("SpoolBench", "queue", "queue-cipher")
    runs = [[on_disk(program) for program in programs] for _ in range(1 if quick else 7)]
    least = [{what: min(one[index][what] for one in runs) for what in ("microseconds", "device")} for index in range(3)]
    ours, plain, cipher = least
    for name, other, processor, device in (("SQLite", plain, 0.55, 0.25), ("SQLCipher", cipher, 0.35, 0.40)):
        ratio_row(
            f"spool: processor time to keep and deliver an envelope, against {name}", processor,
            [(ours["microseconds"], other["microseconds"])],
            lambda a, b: f"{a:.2f} and {b:.2f} µs, the least of {len(runs)}")
        ratio_row(
            f"spool: bytes that the disk gets for it, against {name}", device, [(ours["device"], other["device"])],
            lambda a, b: f"{a / COUNT:,.0f} and {b / COUNT:,.0f}", counts=True)
    used = runs[0][0]["used"] / (COUNT * SIZE)
    row("spool: place on the disk, against what it keeps", ("1.35 ×", 1.35), f"{used:.3f} ×",
        f"{COUNT:,} envelopes of {SIZE} bytes", used, True)
    few, many = runs[0][0]["memory"]
    row("spool: memory for 99,000 envelopes more", ("256 KiB", 256), f"{many - few} KiB", "", many - few, True)


def depth():
    """In memory alone, as waiting for a disk takes more time than the spool does, and now this and now that."""
    def once():
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            return queue("SpoolBench", directory, lambda _: None)

    runs = [once() for _ in range(1 if quick else 15)]
    early, late = (min(one[what] for one in runs) for what in ("put-early", "put-late"))
    ratio_row("spool: processor time to put an envelope behind 96,000 others, against 1,000", 1.10, [(late, early)],
              lambda a, b: f"{a:.2f} and {b:.2f} µs, the least of {len(runs)}")


def wear():
    """An hour in some seconds, with and without what the file system would add meanwhile."""
    def hour(seconds, is_slow):
        with disk() as found:
            begin = []

            def paused(_):
                if not begin:
                    begin.append(found.written())
                elif is_slow:
                    found.sync()
                    # Until the file's next write has a later time, by the kernel's coarse clock.
                    time.sleep(0.012)

            result = pausing([path("GateBench"), found.directory, "p256", "telemetry", str(seconds)], paused)
            return {**result, "device": found.written() - begin[0]}

    for seconds, limit in ((1, 60), (10, 12), (60, 5)):
        say(f"wear, {seconds} s")
        fast = hour(seconds, False)
        what = f"an hour of 100 bytes each second, in batches of {seconds} s: bytes that the disk gets"

        def ratio(name, one, counts):
            ratio_row(what + name, limit, [(one["device"], 360_000)], lambda a, b: f"{a:,.0f} and {b:,.0f}", counts)

        ratio("", fast, True)
        if not quick:
            ratio(", the time in the file's inode among them", hour(seconds, True), False)
        row("the same: fdatasync in the hour", (f"{3600 // seconds:,}", 3600 / seconds), f"{fast['syncs']:,.0f}",
            f"{fast['segments']:.0f} new segments with two fsync each", fast["syncs"], True)


compare()
depth()
wear()
print(json.dumps({"rows": rows, "missed": missed}))
