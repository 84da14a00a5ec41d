# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this directory, and prints a line for each; see `run`."""

import random
import sys

import clock
import disk
import readings
import replays
import sweeps
from back_end import BackEnd
from driver import main


def with_back_end(group):
    def run(folder):
        back_end = BackEnd(folder)
        try:
            yield from group(back_end, folder)
        finally:
            back_end.stop()
    return run


def groups(long, seed):
    cuts, rows, rounds = (500, 200, 500) if long else (50, 12, 50)
    return {
        "replays": with_back_end(lambda back_end, _: replays.replays(back_end)),
        "state": with_back_end(lambda back_end, _: replays.lost_state(back_end, random.Random(seed), seed, rows)),
        "clock": with_back_end(lambda back_end, _: clock.steps(back_end)),
        "kills": with_back_end(lambda back_end, _: sweeps.kills(back_end)),
        "twice": with_back_end(lambda back_end, _: sweeps.second_kills(back_end)),
        "forgetful": with_back_end(lambda back_end, _: sweeps.forgetful_twin(back_end, seed)),
        "disk": with_back_end(lambda back_end, _: disk.faults(back_end)),
        "cuts": with_back_end(lambda back_end, folder: sweeps.power_cuts(back_end, folder, seed, cuts)),
        "https": with_back_end(lambda back_end, folder: sweeps.by_https(back_end, folder, seed, cuts // 5)),
        "readings": with_back_end(lambda back_end, folder: readings.durable_readings(back_end, folder, seed, rounds)),
        "unsynced": with_back_end(lambda back_end, folder: readings.unsynced_twin(back_end, folder, seed)),
    }


if __name__ == "__main__":
    main(groups, sys.argv[1:])
