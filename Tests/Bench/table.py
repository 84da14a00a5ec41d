# SPDX-License-Identifier: Apache-2.0
"""Running what Tests/Bench/run has built, and the rows of its table."""
import os
import re
import statistics
import subprocess
import sys

work = sys.argv[1]
quick = "--quick" in sys.argv
rows, missed = [], []


def say(text):
    print(text, file=sys.stderr, flush=True)


def path(name):
    return os.path.join(work, name)


def values(text):
    """The lines "NAME VALUE" of a program."""
    return {name: float(value) for name, value in re.findall(r"^(\S+) (\S+)$", text, re.M)}


def run(*command, **environment):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{os.path.basename(command[0])} failed with status {done.returncode}")
    return values(done.stdout)


def instructions(*command, below=None):
    """Of the whole program, or of what happens below the functions that `below` matches."""
    part = ["--collect-atstart=no", f"--toggle-collect={below}"] if below else []
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *part, *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=600)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        sys.exit(f"{os.path.basename(command[0])} failed under valgrind:\n{done.stderr[-2000:]}")
    return int(found[1])


def per_round(command, low, high, below=None):
    """Instructions of one round: the difference of two run lengths, which `command` puts in its place."""
    return (instructions(*command(high), below=below) - instructions(*command(low), below=below)) / (high - low)


def row(what, bound, measured, spread, value, counts, known=0.0):
    """A line of the table; `counts`: not time, so it repeats, and is judged also when it is quick. `known`: up to where
    the bound is known to be missed; it is said, but fails nothing."""
    reached = value <= bound[1]
    if counts and not reached and value > known:
        missed.append(what)
    verdict = ("yes" if reached else "**no**") if counts or not quick else "not judged"
    rows.append((what, bound[0], measured, spread, verdict))


def report(what, measured, spread=""):
    """A line of the table that has no bound."""
    rows.append((what, "", measured, spread, ""))


def ratio_row(what, limit, pairs, text, counts=False, known=0.0):
    """`pairs` of ours and theirs, measured one after the other."""
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    middle = statistics.median(ratios)
    ours, theirs = (statistics.median(side) for side in zip(*pairs))
    quarter = len(ratios) // 4
    spread = f"{ratios[quarter]:.2f} to {ratios[-1 - quarter]:.2f}, {len(ratios)} pairs" if len(ratios) > 1 else ""
    digits = 3 if counts else 2
    row(what, (f"{limit} ×", limit), f"{middle:.{digits}f} × ({text(ours, theirs)})", spread, middle, counts, known)
