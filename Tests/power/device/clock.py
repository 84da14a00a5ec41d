# SPDX-License-Identifier: Apache-2.0
"""CLK-02: the system clock is stepped under a running device."""

import pathlib
import select
import time

from back_end import DONE, EXPIRED
from board import Board
from harness import check
from parties import write

STEPS = ("-10d", "+10d")
# The broker gives up a device after one and a half of it.
KEEP_ALIVE = 5


def wakes(board):
    """How often threads of the device were given the processor."""
    status = [(path / "status").read_text() for path in pathlib.Path(f"/proc/{board.process.pid}/task").iterdir()]
    return sum(int(line.split()[1]) for text in status for line in text.splitlines() if "ctxt_switches" in line)


def outcome_of(back_end, record, expires):
    order = back_end.order(record, "effect", expires=int(time.time()) + expires)
    back_end.command(record, order)
    record.wait("receipt", lambda: record.told(order))
    outcome = record.told(order)[0][2]
    check(record.effects(order) == (outcome == DONE), f"outcome {outcome}, {record.effects(order)} effects")
    return outcome


def judge_expiry(back_end, record, when):
    check(outcome_of(back_end, record, -5) == EXPIRED, f"{when}: a command that had expired was obeyed")
    check(outcome_of(back_end, record, 60) == DONE, f"{when}: a command that had not expired was refused")


def steps(back_end):
    record = back_end.add("clock-1", more=f"keep-alive = {KEEP_ALIVE}")
    clock = record.folder / "clock"
    write(clock, "+0")
    board = Board(record, clock)
    try:
        judge_expiry(back_end, record, "before a step")
        counts = []
        for step in STEPS:
            write(clock, step)
            judge_expiry(back_end, record, f"after a step by {step}")
            births, before = len(record.births), wakes(board)
            select.select([], [], [], 1.5 * KEEP_ALIVE + 1)
            counts.append(wakes(board) - before)
            check(len(record.births) == births, f"{step}: the connection was lost")
            check(counts[-1] < 60, f"{step}: {counts[-1]} wake-ups in {1.5 * KEEP_ALIVE + 1} s")
            judge_expiry(back_end, record, f"{step}, some seconds later")
        yield (f"CLK-02 the clock is stepped by {' and '.join(STEPS)}: no expired command is revived, no other one "
               f"refused, the connection stays, {counts[0]} and {counts[1]} wake-ups in {1.5 * KEEP_ALIVE + 1} s")
        for step in STEPS:
            board.kill()
            write(clock, step)
            board = Board(record, clock)
            judge_expiry(back_end, record, f"started with a clock {step}")
        yield f"CLK-02 a device that starts with a clock that is {' or '.join(STEPS)} off judges by the back end's time"
    finally:
        board.kill()
