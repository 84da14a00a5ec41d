# SPDX-License-Identifier: Apache-2.0
"""IOE-02, IOE-03: no space, no inodes, no descriptors, a file size limit, a file system that becomes read-only."""

import os
import pathlib
import resource
import subprocess

from ext4 import Disk, mount, unmount
from harness import OPTIONS, Model, Stepper, check, read, write


class Filler:
    """Takes all space, or all inodes, that are left."""

    def __init__(self, point, inodes=False):
        self.point, self.inodes, self.count = pathlib.Path(point), inodes, 0

    def take(self, _):
        try:
            while True:
                self.count += 1
                with open(self.point / f"filler-{self.count}", "wb", buffering=0) as file:
                    size = 0 if self.inodes else 1 << 16
                    while size:
                        try:
                            file.write(bytes(size))
                        except OSError:
                            size //= 2
                if not self.inodes and os.statvfs(self.point).f_bavail == 0:
                    return
        except OSError:
            pass

    def give(self, _):
        for path in self.point.glob("filler-*"):
            path.unlink()


class Limit:
    """A resource limit of the running program."""

    def __init__(self, which, value):
        self.which, self.value = which, value

    def take(self, pid):
        resource.prlimit(pid, self.which, (self.value, resource.prlimit(pid, self.which)[1]))

    def give(self, pid):
        hard = resource.prlimit(pid, self.which)[1]
        resource.prlimit(pid, self.which, (hard, hard))


def starve(directory, shortage, reason, options=OPTIONS):
    """One process, before, during and after a shortage; how many records it acknowledged and refused.

    Without a `reason` for a refusal nothing may be refused.
    """
    stepper, model = Stepper(directory, *options), Model()
    pid, refused = stepper.process.pid, 0
    try:
        for _ in range(2):
            lines = stepper.steps(25)
            check(all(line.startswith("acked ") for line in lines), f"before: {lines}")
            lines = []
            while len(lines) < 200 and sum(line.startswith("refused ") for line in lines) < 5:
                shortage.take(pid)
                lines.append(stepper.step())
            refused = [line for line in lines if line.startswith("refused ")]
            check(bool(refused) == bool(reason), f"{len(lines)} records, {len(refused)} refused: {refused[:2]}")
            check(all(reason in line for line in refused), f"refused for another reason than {reason}: {refused}")
            shortage.give(pid)
            line = stepper.step()
            check(line.startswith("acked "), f"with room again: {line}")
    finally:
        run = stepper.end()
    check(run.status == (1 if reason else 0), f"status {run.status}")
    model.add(run)
    model.judge(read(directory).state)
    check(write(directory, 2).status == 0, "no more could be written")
    return f"{len(run.acked)} acknowledged, {len(run.refused)} refused"


def no_space(folder):
    alone = ("--segment", "8192", "--history", "0")
    point = pathlib.Path(folder) / "tmpfs"
    point.mkdir()
    refused, nothing = "refused as full, and with room again accepted in the same process", "the history gives way"
    for what, options in (("IOE-02 tmpfs of 64 KiB", "size=64k"), ("IOE-03 no inodes left", "size=1m,nr_inodes=16")):
        for words, reason, program in ((refused, "full", alone), (nothing, "", OPTIONS)):
            mount("-t", "tmpfs", "-o", options, "none", point)
            try:
                counts = starve(point / "journal", Filler(point, inodes="inodes" in options), reason, program)
            finally:
                unmount(point)
            yield f"{what}: {words} ({counts})"
    disk = Disk(folder, "full")
    disk.format()
    disk.mount()
    try:
        counts = starve(disk.journal, Filler(disk.point), "full", alone)
    finally:
        disk.unmount()
    yield f"IOE-02 ext4 of 8 MiB: {refused} ({counts})"


def limits(folder):
    folder = pathlib.Path(folder)
    counts = starve(folder / "descriptors", Limit(resource.RLIMIT_NOFILE, 3), "failed(24)")
    yield f"IOE-03 no descriptor left: refused, and accepted again when there is one ({counts})"
    counts = starve(folder / "size", Limit(resource.RLIMIT_FSIZE, 4096), "full")
    yield f"IOE-03 a limit of the file size refuses, and does not kill by SIGXFSZ ({counts})"


def read_only(folder):
    """What a worn SD card does: the kernel finds an error in the file system and makes it read-only."""
    disk = Disk(folder, "worn")
    disk.format()
    mount("-o", "loop,errors=remount-ro", disk.image, disk.point)
    device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", disk.point], capture_output=True, check=True, text=True)
    trigger = pathlib.Path("/sys/fs/ext4") / pathlib.Path(device.stdout.strip()).name / "trigger_fs_error"
    try:
        stepper, model = Stepper(disk.journal, *OPTIONS), Model()
        try:
            check(all(line.startswith("acked ") for line in stepper.steps(5)), "before")
            trigger.write_text("1")
            lines = stepper.steps(5)
            check(all(line.startswith("refused ") for line in lines), f"read-only: {lines}")
        finally:
            run = stepper.end()
        check(run.status == 1, f"status {run.status}")
        check(write(disk.journal, 1).status in (1, 3), "a start on a read-only file system says so")
    finally:
        disk.unmount()
    model.add(run)
    repaired(disk, model)
    yield f"IOE-03 a file system that turns read-only refuses; all {len(run.acked)} acknowledged outlast the repair"


def repaired(disk, model):
    """What is there after e2fsck, as at the next boot."""
    mended = subprocess.run(["e2fsck", "-p", "-f", disk.image], capture_output=True, check=False)
    check(mended.returncode in (0, 1), f"e2fsck: {mended.stdout}")
    disk.mount()
    try:
        model.judge(read(disk.journal).state)
        check(write(disk.journal, 2).status == 0, "no more could be written")
    finally:
        disk.unmount()


def bad_medium(folder):
    """The device cannot write file content for a while: the pages are dropped, and another sync would succeed."""
    store = pathlib.Path(folder) / "store"
    store.mkdir()
    mount("-t", "tmpfs", "-o", "size=16m", "none", store)
    try:
        disk, filler = Disk(store, "bad"), Filler(store)
        disk.format()
        with open(disk.image, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, disk.image.stat().st_size)
        disk.mount()
        # Only free blocks have no memory behind them, and can fail; ext4's own have.
        subprocess.run(["fstrim", disk.point], check=True)
        try:
            stepper, model = Stepper(disk.journal, *OPTIONS), Model()
            try:
                check(all(line.startswith("acked ") for line in stepper.steps(25)), "before")
                refused = 0
                for _ in range(400):
                    filler.take(None)
                    refused += stepper.step().startswith("refused ")
                    if refused > 5:
                        break
                filler.give(None)
                lines = stepper.steps(20)
                check(all(line.startswith("acked ") for line in lines), f"afterwards: {lines}")
            finally:
                run = stepper.end()
            model.add(run)
            model.judge(read(disk.journal).state)
        finally:
            disk.unmount()
        check(len(run.refused) > 5, f"only {len(run.refused)} refused")
        repaired(disk, model)
    finally:
        unmount(store)
    yield (f"IOE-01 a medium that cannot write for a while, below ext4: {len(run.refused)} refused, all "
           f"{len(run.acked)} acknowledged are there, and afterwards it is accepted in the same process")
