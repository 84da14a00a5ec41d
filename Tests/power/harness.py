# SPDX-License-Identifier: Apache-2.0
"""What the tests of this directory share: the program under test, what it may lose, and its system calls."""

import collections
import os
import pathlib
import re
import select
import signal
import subprocess

import journal

PROGRAM = os.environ.get("JOURNAL_PROGRAM", "JournalProgram")
DEVICE = b"power-test"
STREAM = 1
CANARY = b"martlet-canary"
# The program's live state, which is the snapshot of each segment: its last records.
KEPT = 8
# Small, so that a short run has several rotations and removes old segments.
OPTIONS = ("--segment", "8192", "--history", "24576")

# What a journal may use to change its directory.
CHANGES = ("mkdir", "openat", "fallocate", "pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlinkat",
           "renameat")


class Failure(Exception):
    """A rule was broken; the text says which, and with what input."""


def check(condition, text):
    if not condition:
        raise Failure(text)


class Run:
    """What `JournalProgram write` said, and how it ended. `acked` and `refused` name commits by their last record."""

    def __init__(self, lines, status, batch=1):
        self.status, self.text, self.batch = status, "\n".join(lines), batch
        self.recovered = self.damage = None
        self.acked, self.refused = [], []
        for line in lines:
            words = line.split(" ", 2)
            if words[0] == "recovered":
                self.recovered, self.damage = int(words[1]), int(words[2].removeprefix("damage "))
            elif words[0] == "acked":
                self.acked.append(int(words[1]))
            elif words[0] == "refused":
                self.refused.append(int(words[1].rstrip(":")))

    def records(self, last):
        """The records of a commit."""
        return list(range(last - self.batch + 1, last + 1))

    def maybe(self):
        """Commits that may be there although they were not acknowledged, one of them at most."""
        if self.recovered is None:
            return []
        last = max(self.acked, default=self.recovered)
        doubtful = [refused for refused in self.refused if refused > last]
        return [self.records(n) for n in [*doubtful, max([last, *doubtful]) + self.batch]]


class Model:
    """What a journal has to hold: the records that were last read from it, and those acknowledged since."""

    def __init__(self):
        self.numbers, self.maybe, self.acknowledged = [], [], 0

    def add(self, run):
        expected = self.numbers[-1] if self.numbers else 0
        check(run.recovered in (None, expected), f"began with record {run.recovered}, not {expected}")
        for last in run.acked:
            self.numbers = (self.numbers + run.records(last))[-KEPT:]
        self.maybe = run.maybe()
        self.acknowledged += len(run.acked)

    def judge(self, numbers):
        """Raises unless `numbers` are of all commits that were acknowledged, once and in order, and at most one more,
        whole."""
        allowed = [self.numbers] + [(self.numbers + records)[-KEPT:] for records in self.maybe]
        check(numbers in allowed, f"read {numbers}, acknowledged {self.numbers}, perhaps {self.maybe[:3]}")
        self.numbers, self.maybe = numbers, []

    def delivered(self, last):
        """A later run has begun with the record `last`: from then on it counts."""
        for numbers in [self.numbers] + [(self.numbers + records)[-KEPT:] for records in self.maybe]:
            if last == (numbers[-1] if numbers else 0):
                return self.judge(numbers)
        raise Failure(f"began with record {last}, acknowledged {self.numbers}, perhaps {self.maybe[:3]}")


def command(verb, directory, *arguments):
    return [PROGRAM, verb, str(directory), *map(str, arguments)]


def write(directory, count, *options, batch=1, wrapper=()):
    done = subprocess.run(
        [*wrapper, *command("write", directory, count, *OPTIONS, "--batch", batch, *options)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
    )
    return Run(done.stdout.decode(errors="replace").splitlines(), done.returncode, batch)


# Numbers of the state's records, and the history's; `unfinished`: segments that a cut left with a part of a frame.
Reading = collections.namedtuple("Reading", "state history damage unfinished")


def read(directory):
    """What the program and journal.py both say."""
    done = subprocess.run(
        command("read", directory, *OPTIONS), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
    )
    lines = done.stdout.decode(errors="replace").splitlines()
    check(done.returncode == 0, f"read ended with status {done.returncode}: {lines}")
    state, history, damage = [], [], None
    for line in lines:
        word, _, value = line.partition(" ")
        check(word in ("record", "history", "damage"), f"read said: {line}")
        if word == "damage":
            damage = int(value)
        else:
            (state if word == "record" else history).append(int(value))
    directory = pathlib.Path(directory)
    found = journal.read(directory, (directory / "master.key").read_bytes(), DEVICE, STREAM)
    theirs = [number_of(record) for record in found.records][-KEPT:]
    check((state, damage) == (theirs, found.damage),
          f"the program read {state}, damage {damage}; journal.py {theirs}, damage {found.damage}")
    check(history == [number_of(r) for r in found.history], "the program and journal.py disagree about the history")
    return Reading(state, history, damage, found.unfinished)


def number_of(record):
    """The number of a record that JournalProgram wrote, or None if it is not one of these, whole."""
    match = re.match(rb"record (\d+) ", record)
    number = int(match[1]) if match else 0
    return number if record == record_text(number) else None


def record_text(number):
    return b"record %d %s " % (number, CANARY) + b"x" * (number * 97 % 700)


class Call(collections.namedtuple("Call", "name arguments path error injected")):
    """A system call: `path` is the file that it names or works on, `error` the errno's name or ''."""


LINE = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
DESCRIPTOR = re.compile(r"^(?:AT_FDCWD|\d+)<([^>]*)>")
NAME = re.compile(r', "([^"]*)"')


def calls(log):
    """The calls of a log of `strace -y`, in order."""
    found = []
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if not match:
            continue
        name, arguments, result, rest = match.groups()
        place = DESCRIPTOR.match(arguments)
        path = place[1] if place else ""
        if name.endswith("at") and name != "fstat" and (file := NAME.search(arguments)):
            path = os.path.join(path, file[1])
        elif not place and (file := re.match(r'"([^"]*)"', arguments)):
            path = file[1]
        error = "?" if result == "?" else rest.split()[0] if result.startswith("-") else ""
        found.append(Call(name, arguments, path, error, "INJECTED" in rest))
    return found


def strace(log, names, *inject, extra=()):
    """A wrapper for `write`; `inject` are strace's expressions. With --seccomp-bpf strace 6.1 injects no signals."""
    return ["strace", "-f", "-qq", "-y", "-s", "96", "-o", str(log), "-e", "trace=" + ",".join(names),
            *[word for one in inject for word in ("-e", "inject=" + one)], *extra]


def first_of(name, directory, log):
    """Which call of `name` is the first that concerns `directory`, counted from 1; None if none does."""
    mine = [call for call in calls(log) if call.name == name]
    for ordinal, call in enumerate(mine, 1):
        if call.path.startswith(str(directory)):
            return ordinal
    return None


class Stepper:
    """`JournalProgram write --step`: commits one record for each `step`."""

    def __init__(self, directory, *options, count=100000, **popen):
        self.process = subprocess.Popen(
            command("write", directory, count, "--step", *options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **popen)
        self.buffer, self.lines = b"", []
        self.line()

    def line(self):
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.process.stdout], [], [], 30)
            part = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not part:
                self.end()
                raise Failure(f"the program said nothing more; status {self.process.returncode}, {self.lines[-3:]}")
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        self.lines.append(line.decode())
        return self.lines[-1]

    def step(self):
        """Commits the next record and returns what was said of it."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.line()

    def steps(self, count):
        return [self.step() for _ in range(count)]

    def end(self):
        """Ends the program, and returns its run."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait()
        self.process.stdout.close()
        return Run(self.lines, self.process.returncode)
