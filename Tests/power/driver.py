# SPDX-License-Identifier: Apache-2.0
"""Runs groups of tests, and prints a line for each test."""

import pathlib
import random
import sys
import tempfile
import time
import traceback

from ext4 import unmount
from harness import Failure


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
        finally:
            # What a failure left mounted.
            for mounted in reversed(pathlib.Path("/proc/self/mounts").read_text().splitlines()):
                if (point := mounted.split()[1]).startswith(folder):
                    unmount(point)
    return good


def main(groups, arguments):
    """`groups(long, seed)` gives generators of lines by name, which take a folder. `--without=GROUP`: not that one."""
    long = "--long" in arguments
    seeds = [a.removeprefix("--seed=") for a in arguments if a.startswith("--seed=")]
    without = [a.removeprefix("--without=") for a in arguments if a.startswith("--without=")]
    chosen = [a for a in arguments if not a.startswith("--")]
    seed = int(seeds[0]) if seeds else random.SystemRandom().randrange(1 << 32)
    all_groups = groups(long, seed)
    unknown = set(chosen + without) - set(all_groups)
    if unknown:
        sys.exit(f"no group {', '.join(sorted(unknown))}; there are: {' '.join(all_groups)}")
    results = [run(name, group) for name, group in all_groups.items()
               if (not chosen or name in chosen) and name not in without]
    sys.exit(0 if all(results) else 1)
