# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this directory, and prints a line for each; see `run`."""

import sys

import cuts
import errors
import example
import kills
import mutations
import order
import retire
import shortage
from driver import main


def groups(long, seed):
    least, rounds = (2000, 2000) if long else (150, 200)
    return {
        "example": example.example,
        "order": order.order_of_calls,
        "calls": errors.failing_calls,
        "interrupted": errors.interrupted_calls,
        "short": errors.short_writes,
        "slow": errors.slow_sync,
        "space": shortage.no_space,
        "limits": shortage.limits,
        "read-only": shortage.read_only,
        "medium": shortage.bad_medium,
        "mutations": lambda folder: mutations.mutations(folder, seed, rounds),
        "kills": lambda folder: kills.kills(folder, seed, rounds),
        "cuts": lambda folder: cuts.power_cuts(folder, seed, least),
        "unsynced": lambda folder: cuts.unsynced_twins(folder, seed),
        "same-salt": lambda folder: cuts.same_salt_twin(folder, seed),
        "plaintext": cuts.plaintext_control,
        "retire": lambda folder: retire.retirements(folder, seed),
    }


if __name__ == "__main__":
    main(groups, sys.argv[1:])
