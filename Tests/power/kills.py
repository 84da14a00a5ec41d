# SPDX-License-Identifier: Apache-2.0
"""PWR-04: the process is killed, and the machine goes on."""

import pathlib
import random
import select
import signal
import subprocess
import time

from harness import OPTIONS, Failure, Model, Run, check, command, read


def one(directory, rng):
    process = subprocess.Popen(
        command("write", directory, 100000, *OPTIONS), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0)
    begun, wanted, got = time.monotonic(), rng.randrange(0, 60), b""
    try:
        while got.count(b"\n") < wanted:
            ready, _, _ = select.select([process.stdout], [], [], 30)
            part = process.stdout.read(65536) if ready else b""
            if not part:
                raise Failure("the program ended by itself")
            if not got:
                check(time.monotonic() - begun < 2, "the start took more than 2 s")
            got += part
        if not wanted:
            # Perhaps before main.
            time.sleep(rng.random() * 0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        got += process.stdout.read()
        process.wait()
        process.stdout.close()
    # A line of which the end is missing was not said.
    return Run(got.decode().split("\n")[:-1], process.returncode)


def kills(folder, seed, rounds):
    rng, model = random.Random(seed), Model()
    directory = pathlib.Path(folder) / "journal"
    for number in range(rounds):
        run = one(directory, rng)
        check(run.status == -signal.SIGKILL, f"round {number}: status {run.status}")
        model.add(run)
        if (directory / "master.key").exists():
            found = read(directory)
            model.judge(found.state)
            check(found.damage == 0, f"round {number}: damage {found.damage}")
    files = len(list(directory.glob("journal-*")))
    check(files <= 64, f"{files} segments are left")
    yield (f"PWR-04 nothing acknowledged is lost by kill -9 ({rounds} rounds, {model.acknowledged} acknowledged, "
           f"{files} files left; seed {seed})")
