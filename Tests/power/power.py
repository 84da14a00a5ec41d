# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this directory, and prints a line for each; see `run`."""

import pathlib
import random
import sys
import tempfile
import time
import traceback

import cuts
import errors
import example
import kills
import mutations
import order
import shortage
from harness import Failure


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
    }


def run(name, group):
    """Whether all of a group passed; its folder is in memory, where a sync costs nothing."""
    begun, good = time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="martlet-power-", dir="/dev/shm", ignore_cleanup_errors=True) as folder:
        try:
            for line in group(pathlib.Path(folder)):
                print(f"ok - {line} [{time.monotonic() - begun:.1f} s]", flush=True)
                begun = time.monotonic()
        except Failure as failure:
            good = False
            print(f"not ok - {name}: {failure}", flush=True)
        except Exception:
            good = False
            print(f"not ok - {name}: the test broke", flush=True)
            print("    " + traceback.format_exc().replace("\n", "\n    "), flush=True)
    return good


def main(arguments):
    long = "--long" in arguments
    seeds = [a.removeprefix("--seed=") for a in arguments if a.startswith("--seed=")]
    chosen = [a for a in arguments if not a.startswith("--")]
    seed = int(seeds[0]) if seeds else random.SystemRandom().randrange(1 << 32)
    all_groups = groups(long, seed)
    unknown = set(chosen) - set(all_groups)
    if unknown:
        sys.exit(f"no group {', '.join(sorted(unknown))}; there are: {' '.join(all_groups)}")
    results = [run(name, group) for name, group in all_groups.items() if not chosen or name in chosen]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
