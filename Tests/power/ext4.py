# SPDX-License-Identifier: Apache-2.0
"""Small file systems that lose power. Mounted in a mount namespace of our own: they are gone when the tests end."""

import fcntl
import os
import pathlib
import random
import shutil
import subprocess

# EXT4_IOC_SHUTDOWN and what it does before nothing reaches the device any more (linux: include/uapi/linux/ext4.h).
SHUTDOWN = 0x8004587D
EVERYTHING_WRITTEN, LOG_WRITTEN, NOTHING_WRITTEN = 0, 1, 2
CUTS = ("nothing", "metadata", "metadata and some data", "everything")


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True, timeout=30)


def unmount(point):
    subprocess.run(["umount", str(point)], check=True, timeout=30)


class Disk:
    """An ext4 of 8 MiB with blocks of 1 KiB, and a directory of a journal on it."""

    def __init__(self, folder, name):
        self.image = pathlib.Path(folder) / f"{name}.img"
        self.point = pathlib.Path(folder) / name
        self.point.mkdir()
        self.journal = self.point / "journal"

    def format(self):
        with open(self.image, "wb") as file:
            file.truncate(8 << 20)
        subprocess.run(
            ["mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-m", "0", "-E",
             "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.image], check=True, timeout=30)

    def copy(self, other):
        shutil.copyfile(other.image, self.image)

    def mount(self):
        mount("-o", "loop", self.image, self.point)

    def unmount(self):
        unmount(self.point)

    def cut(self, kind, rng: random.Random):
        """Cuts the power; what had not been synced is lost, but for what `kind` (of CUTS) says was written before."""
        part = self.some_sectors(rng) if kind == 2 else None
        how = (NOTHING_WRITTEN, LOG_WRITTEN, LOG_WRITTEN, EVERYTHING_WRITTEN)[kind]
        descriptor = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, how.to_bytes(4, "little"))
        finally:
            os.close(descriptor)
        self.unmount()
        if part:
            self.mount()
            put_back(*part)
            self.unmount()

    def some_sectors(self, rng):
        """What of the newest file the disk could have written when it liked: the file, its size, place, content."""
        for path in sorted(self.journal.glob("journal-*"))[-1:]:
            content = path.read_bytes()
            first = rng.randrange(0, len(content.rstrip(b"\0")) // 512 + 1) * 512
            return path, len(content), first, content[first:first + 512 * rng.randint(1, 8)]
        return None


def put_back(path, size, offset, content):
    """Writes a part of a file to where it was, if the place is still there. The kernel itself is asked for no part: it
    would write all that it keeps in one piece."""
    if not path.exists() or path.stat().st_size != size:
        return
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, content, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
