# SPDX-License-Identifier: Apache-2.0
"""DUR-01: what is acknowledged was made durable before, by the order of the system calls."""

import pathlib

from harness import CHANGES, calls, check, strace, write


class Order:
    """Follows which files and names are not durable yet, call by call."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.dirty, self.unnamed, self.created = set(), False, False
        self.syncs = self.writes = self.acknowledged = self.steady = self.removed = 0
        self.broken = []

    def follow(self, call):
        if call.error:
            return
        inside = call.path.startswith(self.directory + "/")
        match call.name:
            case "openat" if inside and "O_CREAT" in call.arguments:
                self.unnamed = self.created = True
            case "pwrite64" | "fallocate" if inside:
                self.dirty.add(call.path)
                self.writes += call.name == "pwrite64"
            case "write" if inside:
                self.dirty.add(call.path)
            case "fdatasync" | "fsync":
                if call.path == self.directory:
                    self.unnamed = False
                self.dirty.discard(call.path)
                self.syncs += call.name == "fdatasync"
            case "unlinkat" if inside:
                self.removed += 1
                if self.dirty:
                    self.broken.append(f"removed {call.path} while {sorted(self.dirty)} was not durable")
            case "write" if '"acked ' in call.arguments:
                self.acknowledge(call.arguments.split('"')[1])

    def acknowledge(self, what):
        self.acknowledged += 1
        if self.dirty or self.unnamed:
            self.broken.append(f"{what} while not durable: {sorted(self.dirty)}, names {self.unnamed}")
        if not self.created:
            self.steady += 1
            if (self.writes, self.syncs) != (1, 1):
                self.broken.append(f"{what} after {self.writes} writes and {self.syncs} fdatasync")
        self.syncs = self.writes = 0
        self.created = False


def audit(directory, log, *options):
    run = write(directory, 60, *options, wrapper=strace(log, CHANGES))
    check(run.status == 0 and len(run.acked) == 60, f"status {run.status}: {run.text[-300:]}")
    order = Order(directory)
    for call in calls(log):
        order.follow(call)
    check(order.acknowledged == 60, f"{order.acknowledged} acknowledgements in the log")
    return order


def order_of_calls(folder):
    folder = pathlib.Path(folder)
    for what in ("new", "reopened"):
        order = audit(folder / "journal", folder / "log")
        check(not order.broken, "; ".join(order.broken[:4]))
        check(order.steady > 30, f"only {order.steady} commits without a new segment")
        check(order.removed > 0, "no segment was removed")
        yield (f"DUR-01 {what}: written, synced and named before it is acknowledged; one write and one fdatasync "
               f"for each of {order.steady} commits, {60 - order.steady} with a new segment")
    check(audit(folder / "twin", folder / "log", "--broken-no-sync").broken, "the audit finds nothing")
    yield "DUR-01 a program that does not sync is found out"
