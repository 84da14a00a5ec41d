# SPDX-License-Identifier: Apache-2.0
"""Acceptances that cannot be made durable."""

from back_end import DONE, NOT_RECORDED
from board import NETWORK, Board, Tracer
from harness import check

FAULTS = {
    "EIO at fdatasync": ("fdatasync:error=EIO",),
    "EIO at pwrite": ("pwrite64:error=EIO",),
    "no space": ("pwrite64:error=ENOSPC", "fallocate:error=ENOSPC"),
}


def faults(back_end):
    for number, (name, injected) in enumerate(FAULTS.items()):
        record = back_end.add(f"disk-{number}")
        board = Board(record)
        try:
            tracer = Tracer(board.thread(NETWORK), record.folder / "trace", "-e", "trace=pwrite64,fdatasync,fallocate",
                            *[word for fault in injected for word in ("-e", f"inject={fault}")])
            births, order = len(record.births), back_end.order(record, "effect")
            back_end.command(record, order)
            record.wait("receipt", lambda: record.told(order))
            check(record.told(order)[0][2] == NOT_RECORDED, f"{name}: outcome {record.told(order)[0][2]}")
            check(record.effects(order) == 0, f"{name}: it took effect")
            check(len(record.births) == births + 1, f"{name}: {len(record.births) - births} new connections")
            tracer.end()
            back_end.command(record, back_end.order(record, "effect", again=order))
            record.wait("receipt of the same command", lambda: len(record.told(order)) > 1)
            check(record.told(order)[-1][2] == DONE and record.effects(order) == 1, f"{name}: it did not recover")
        finally:
            board.kill()
        yield (f"CMD-05 {name}: a command whose acceptance cannot be made durable comes again, is then refused as "
               "notRecorded, and is carried out once the disk works")
