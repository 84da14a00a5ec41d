# SPDX-License-Identifier: Apache-2.0
"""A device as a process, which can be killed at a system call of one of its threads."""

import os
import pathlib
import re
import select
import signal
import subprocess

from harness import check

PROGRAM = os.environ.get("DEVICE_PROGRAM", "DeviceProgram")
# Threads by the order in which the library makes them.
HANDLER, NETWORK = 1, 2
THREAD_NUMBERS = int(pathlib.Path("/proc/sys/kernel/pid_max").read_text())
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Board:
    """DeviceProgram, from power-on to power-off."""

    def __init__(self, record, clock=None, wrapper=()):
        """Returns when the device has said that it is there; with a wrapper, which may kill it before, at once.
        `clock`: a file whose content, as `+10d`, is how far the system clock is off."""
        births = len(record.births)
        environment, command = dict(os.environ), [PROGRAM]
        if clock:
            # env: libfaketime adds to the environment of the first program, which then hides Swift its arguments.
            command = ["env", PROGRAM]
            environment |= {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.record, self.log = record, record.folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*wrapper, *command, str(record.effects_file), str(record.folder / "martlet.conf")],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
        if wrapper:
            return
        try:
            record.wait("birth", lambda: len(record.births) > births, process=self.process)
            check(len(record.births) > births, f"the device ended: {self.last_words()}")
        except BaseException:
            self.kill()
            raise

    def last_words(self):
        return self.log.read_text(errors="replace")[-400:]

    def thread(self, which):
        """Numbers are given in order, and begin anew at the end of their range. An exchange has a thread of its own."""
        first = self.process.pid
        threads = sorted((int(name) for name in os.listdir(f"/proc/{first}/task")),
                         key=lambda thread: (thread - first) % THREAD_NUMBERS)
        check(len(threads) in (3, 4), f"{len(threads)} threads")
        return threads[which]

    def poll(self):
        return self.process.poll()

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.end()

    def stop(self):
        """Ends the program in order."""
        self.process.stdin.close()
        check(self.process.wait(20) == 0, f"the device ended with {self.process.returncode}: {self.last_words()}")

    def end(self):
        """Waits for the end of a process that was killed."""
        self.process.wait(20)
        self.process.stdin.close()
        # What libfaketime leaves behind.
        for name in ("faketime_shm_", "sem.faketime_sem_"):
            pathlib.Path(f"/dev/shm/{name}{self.process.pid}").unlink(missing_ok=True)

    def ends_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class Tracer:
    """strace of one thread, or of all, from now on; `inject` is its expression."""

    def __init__(self, thread, log, *options):
        """Returns when no call of the thread escapes any more."""
        self.log = pathlib.Path(log)
        self.process = subprocess.Popen(
            ["strace", "--quiet=exit,personality", "-o", str(log), "-p", str(thread), *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # Said after the thread was told to stop; that /proc knows of a tracer is earlier.
        ready, _, _ = select.select([self.process.stderr], [], [], 20)
        check(ready, "strace does not attach")
        said = self.process.stderr.readline()
        check(said.endswith(b" attached\n"), f"strace: {said}")

    def end(self):
        """Lets go of the threads, if there are any left."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.process.stderr.close()

    def calls(self):
        """Names of the calls, in order."""
        return [call for _, call in calls(self.log)]


def calls(log):
    """Thread, if there are several, and name of each call in a log of strace."""
    found = (re.match(r"(\d* *)(\w+)\(", line) for line in log.read_text(errors="replace").splitlines())
    return [(match[1].strip(), match[2]) for match in found if match]
