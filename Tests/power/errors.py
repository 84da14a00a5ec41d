# SPDX-License-Identifier: Apache-2.0
"""IOE-01, IOE-04: system calls that fail, are slow, are interrupted, or do less than they were asked for."""

import collections
import pathlib
import shutil
import subprocess
import time

from harness import CHANGES, Failure, Model, calls, check, first_of, read, strace, write

READS = ("read", "pread64", "getdents64", "fstat", "newfstatat", "lseek")
TRACED = CHANGES + READS
ROUNDS = 8
# Exit codes of JournalProgram: all acknowledged, some refused, not opened.
DONE, REFUSED, CLOSED = 0, 1, 3


class Sweep:
    """One call after the other fails, once or from then on, until none is left that could."""

    def __init__(self, folder, prepared, options=()):
        self.directory, self.log = pathlib.Path(folder) / "journal", pathlib.Path(folder) / "log"
        self.template, self.options = pathlib.Path(folder) / "template", options
        self.model, self.ends = Model(), collections.Counter()
        shutil.rmtree(self.template, ignore_errors=True)
        if prepared:
            self.model.add(write(self.template, 30))
            self.model.judge(read(self.template).state)
        self.restart()
        self.baseline = write(self.directory, ROUNDS, *options, wrapper=strace(self.log, TRACED))
        check(self.baseline.status == DONE, f"undisturbed: {self.baseline.text}")
        self.firsts = {name: first_of(name, self.directory, self.log) for name in TRACED}
        self.own_writes = sum(c.name == "write" and c.path.startswith(str(self.directory)) for c in calls(self.log))

    def restart(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        if self.template.exists():
            shutil.copytree(self.template, self.directory)

    def one(self, name, error, ordinal, sticky):
        """Whether the call was there to fail."""
        self.restart()
        run = write(self.directory, ROUNDS, *self.options, wrapper=strace(
            self.log, TRACED, f"{name}:error={error}:when={ordinal}{'+' if sticky else ''}"))
        trace = calls(self.log)
        if not any(call.injected for call in trace):
            return False
        check(run.status in (DONE, REFUSED, CLOSED), f"status {run.status}: {run.text}")
        self.ends[run.status] += 1
        never_again(trace)
        if not (self.directory / "master.key").exists():
            check(not run.acked, "acknowledged, and there is not even a key")
            return True
        after = Model()
        after.numbers = list(self.model.numbers)
        # What can never be read is told, and the program goes on with what can. Nothing else may cost a record.
        check(not run.damage or (sticky and error == "EIO"), f"damage told: {run.text}")
        if run.damage and run.acked:
            self.ends["damage"] += 1
            after.numbers = [n for n in after.numbers if n <= run.recovered]
        if run.damage and not run.acked:
            run.recovered = self.model.numbers[-1]
        after.add(run)
        after.judge(read(self.directory).state)
        return True

    def sweep(self, name, error):
        count = 0
        # Other calls of `write` are the program's words.
        for sticky in (False,) if name == "write" else (False, True):
            ordinal = self.firsts[name]
            while ordinal and not (name == "write" and ordinal > self.own_writes):
                try:
                    if not self.one(name, error, ordinal, sticky):
                        break
                except Failure as failure:
                    raise Failure(f"{error} at {name} {ordinal}{'+' if sticky else ''}: {failure}") from failure
                ordinal += 1
                count += 1
        return count


def never_again(trace):
    """After a failed write or sync, nobody knows what the file holds: it is not written, and not synced, again."""
    doubtful = set()
    for call in trace:
        if call.name in ("pwrite64", "fdatasync", "fsync") and "journal-" in call.path:
            check(call.path not in doubtful, f"{call.name} of {call.path} after one that failed")
            if call.error not in ("", "EINTR"):
                doubtful.add(call.path)


def failing_calls(folder):
    for prepared in (False, True):
        sweep = Sweep(folder, prepared)
        counts = {name: sweep.sweep(name, "EIO") for name in TRACED}
        told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        check(min(counts["fdatasync"], counts["pwrite64"]) >= 2 * ROUNDS, told)
        yield (f"IOE-01 {'reopened' if prepared else 'new'}: EIO at each call, once and for good: a typed error or a "
               f"new segment, no false acknowledgement, no second sync ({told}; all acknowledged {sweep.ends[DONE]}, "
               f"refused {sweep.ends[REFUSED]}, not opened {sweep.ends[CLOSED]}, damage told {sweep.ends['damage']})")
    sweep = Sweep(folder, True)
    count = sweep.sweep("openat", "EMFILE")
    yield f"IOE-03 no descriptor left, at any call of a start: nothing is lost ({count} calls)"
    try:
        Sweep(folder, True, options=("--broken-retry-sync",)).sweep("fdatasync", "EIO")
    except Failure as failure:
        check("after one that failed" in str(failure), str(failure))
        yield "IOE-01 a program that syncs a second time is found out"
    else:
        raise Failure("a second sync is not noticed")


def interrupted_calls(folder):
    sweep = Sweep(folder, True)
    count = 0
    for name in ("pwrite64", "fallocate", "fdatasync", "fsync", "read"):
        ordinal = sweep.firsts[name]
        while sweep.one(name, "EINTR", ordinal, False):
            ordinal += 1
            count += 1
            check(sweep.ends[DONE] == count and not sweep.ends["damage"], f"{name} {ordinal}: {dict(sweep.ends)}")
    yield f"IOE-04 a call that is interrupted is made again ({count} calls)"
    check(sweep.one("fallocate", "EOPNOTSUPP", sweep.firsts["fallocate"], True), "no fallocate")
    check(sweep.ends[DONE] == count + 1, "without fallocate")
    yield "IOE-04 a file system without fallocate will do"


def short_writes(folder):
    folder = pathlib.Path(folder)
    library = folder / "short.so"
    source = pathlib.Path(__file__).with_name("short_writes.c")
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    log, model = folder / "log", Model()
    for _ in range(2):
        run = write(folder / "short", 30, wrapper=strace(log, ("pwrite64",), extra=("-E", f"LD_PRELOAD={library}")))
        check(run.status == DONE, run.text)
        model.add(run)
        model.judge(read(folder / "short").state)
        count = sum(call.name == "pwrite64" for call in calls(log))
        check(count > 3 * 30, f"only {count} writes: nothing was short")
    yield f"IOE-04 writes that write less are continued ({count} writes for 30 records)"


def slow_sync(folder):
    folder = pathlib.Path(folder)
    begun = time.monotonic()
    run = write(folder / "slow", 4, wrapper=strace(folder / "log", CHANGES, "fdatasync:delay_enter=2s:when=3"))
    took = time.monotonic() - begun
    check(run.status == DONE and took > 2, f"{run.text}, {took:.1f} s")
    check(read(folder / "slow").state == run.acked, "not what was acknowledged")
    yield f"IOE-04 a sync that takes 2 s delays the acknowledgement, and breaks nothing ({took:.1f} s)"
