# SPDX-License-Identifier: Apache-2.0
"""PWR-02, PWR-04, SEQ-01: durable readings, while the device is killed and its disk is cut off from power."""

import collections
import random
import signal
import time

from back_end import ROLLED_BACK, STATE_LOST
from board import Board
from ext4 import CUTS, Disk
from harness import Failure, check

# Calls at which the device is killed, and how many of them there are in a run, about.
CALLS = {"pwrite64": 45, "fdatasync": 45, "write": 60, "fallocate": 7, "ftruncate": 3, "unlinkat": 3}
# Readings of one run.
COUNT = 40


class Reports:
    """A device that reports while it has no server, and delivers in a later run."""

    def __init__(self, back_end, folder, name, rng, more=()):
        """`more`: options of strace."""
        self.rng, self.more, self.disk = rng, more, Disk(folder, f"disk-{name}")
        self.disk.format()
        self.disk.mount()
        self.record = back_end.add(name, state=self.disk.journal)
        self.file = self.record.folder / "martlet.conf"
        # Smaller than the disk. Segments come and go: each start begins one.
        self.online = self.file.read_text() + "spool-bytes = 1048576\n"
        self.offline = self.online.replace(f"port = {back_end.broker.port}", "port = 1")
        self.number, self.counts = 0, collections.Counter()

    def said(self):
        """Lane and number of each reading that was reported durably, as far as the device came to say it."""
        log = self.record.folder / "log"
        lines = log.read_text(errors="replace").split("\n")[:-1] if log.exists() else []
        return [tuple(map(int, line.split()[1:])) for line in lines if line.startswith("durable ")]

    def report(self, call, ordinal):
        """One run without a server, killed at a call if there are so many of it."""
        self.file.write_text(self.offline)
        board = Board(self.record, wrapper=(
            "strace", "-f", "-qq", "-o", str(self.record.folder / "trace"), "-e", f"trace={','.join(CALLS)}",
            *self.more, "-e", f"inject={call}:signal=KILL:when={ordinal}"))
        before, lines = len(self.said()), []
        for _ in range(COUNT):
            self.number += 1
            lines.append(f"durable {self.rng.randrange(3)} {self.number}\n")
        try:
            board.process.stdin.write("".join(lines).encode())
            board.process.stdin.flush()
            end = time.monotonic() + 20
            while board.poll() is None and len(self.said()) < before + COUNT:
                check(time.monotonic() < end, f"no end of reports: {board.last_words()}")
                time.sleep(0.002)
            board.process.stdin.close()
        except BrokenPipeError:
            pass
        status = board.process.wait(20)
        check(status in (0, -signal.SIGKILL), f"the device ended with {status}: {board.last_words()}")
        self.counts["kills" if status else "orderly ends"] += 1

    def cut(self, kind):
        self.counts[CUTS[kind]] += 1
        self.disk.cut(kind, self.rng)
        self.disk.mount()

    def deliver(self, seconds=20):
        """A run with a server: all that was said arrives."""
        self.file.write_text(self.online)
        board = Board(self.record)
        said, end = self.said(), time.monotonic() + seconds
        try:
            while (missing := self.missing(said)) and time.monotonic() < end and board.poll() is None:
                check(not self.record.faults, f"{self.record.faults[:2]}")
                time.sleep(0.01)
        finally:
            board.kill()
        check(not missing, f"{len(missing)} lost: {missing[:3]}: {board.last_words()}")

    def missing(self, said):
        has = [set(self.record.telemetry.numbers(lane)) for lane in range(3)]
        return [(lane, number) for lane, number in said if number not in has[lane]]

    def judge(self):
        self.record.telemetry.judge()
        lost = [event for event in self.record.events if event[0] in (ROLLED_BACK, STATE_LOST)]
        check(not lost and self.record.losses == 0, f"told of losses: {lost}, {self.record.losses} births")


def durable_readings(back_end, folder, seed, rounds):
    rng = random.Random(f"{seed}-readings")
    reports = Reports(back_end, folder, "readings", rng)
    try:
        for _ in range(rounds):
            call = rng.choices(list(CALLS), (4, 4, 3, 1, 1, 1))[0]
            ordinal = rng.randint(1, CALLS[call])
            try:
                reports.report(call, ordinal)
                if rng.random() < 0.8:
                    reports.cut(rng.choices(range(4), (5, 2, 2, 1))[0])
                else:
                    reports.counts["no cut"] += 1
                if rng.random() < 0.4:
                    reports.deliver()
                    if rng.random() < 0.5:
                        reports.cut(0)
            except Failure as failure:
                raise Failure(f"killed at {call} {ordinal}: {failure}") from failure
        reports.deliver()
        reports.judge()
    finally:
        reports.disk.unmount()
    counts = reports.counts
    cuts = ", ".join(f"{kind} {counts[kind]}" for kind in CUTS)
    said, envelopes = len(reports.said()), sum(map(len, reports.record.telemetry.lanes.values()))
    check(counts["kills"] > rounds // 3 and said > 4 * rounds, f"{counts['kills']} kills, {said} durable readings")
    yield (f"PWR-02 PWR-04 durable readings arrive after {sum(counts[kind] for kind in CUTS)} power cuts and "
           f"{counts['kills']} kills, in order and once ({said} of {reports.number} were durable; written before the "
           f"cut: {cuts}; no cut {counts['no cut']}; seed {seed})")
    yield f"SEQ-01 {envelopes} envelopes have numbers and bytes of their own, and whole links"


def unsynced_twin(back_end, folder, seed):
    """The same without syncs: the test above can fail."""
    reports = Reports(back_end, folder, "unsynced", random.Random(seed))
    try:
        # What the first start makes is there.
        reports.report("pwrite64", 1000)
        reports.deliver()
        reports.more = ("-e", "inject=fdatasync,fsync:retval=0")
        reports.report("pwrite64", 30)
        reports.cut(0)
        reports.deliver(3)
    except Failure as failure:
        check(" lost: " in str(failure), str(failure))
        yield "PWR-02 a device that does not sync loses durable readings"
    else:
        raise Failure("a device that does not sync loses nothing")
    finally:
        reports.disk.unmount()
