# SPDX-License-Identifier: Apache-2.0
"""CMD-06: a captured command, sent again and again, after whatever was done to the device."""

import shutil

from back_end import DONE, INTERRUPTED, OVER_BUDGET, REPLAYED, STALE, STATE_LOST
from board import Board
from harness import Failure, check
from messages import AuditLog
from parties import write

COUNT = 100
# Signed answers to commands of an earlier run: at once, and each second (Sources/PROTOCOL.md, Commands).
STALE_AT_ONCE = 5


class Case:
    """One device, and a command that it has carried out."""

    def __init__(self, back_end, name, clock=False, copy=False):
        self.back_end, self.record, self.board = back_end, back_end.add(name), None
        self.state, self.copy = self.record.folder / "state", self.record.folder / "copy"
        self.clock = self.record.folder / "clock" if clock else None
        if clock:
            write(self.clock, "+0")
        if copy:
            self.start()
            self.stop()
            shutil.copytree(self.state, self.copy)
        self.start()
        self.order = back_end.order(self.record, "effect")
        back_end.command(self.record, self.order)
        self.record.wait("receipt", lambda: self.record.told(self.order))
        check(self.record.told(self.order)[0][2] == DONE and self.effects == 1, "the command was not carried out")

    @property
    def effects(self):
        return self.record.effects(self.order)

    def start(self):
        self.board = Board(self.record, self.clock)

    def fill_audit_log(self, condition):
        """Until so much is in it that it is sent at once."""
        while not condition():
            self.back_end.barrier(self.record)

    def stop(self):
        self.board.stop()
        self.board = None

    def kill(self):
        if self.board:
            self.board.kill()
            self.board = None

    def replay(self):
        """Sends it COUNT times. Returns how often `stale` was told, and what was not answered, by code."""
        stale, events = self.stale, len(self.record.events)
        for _ in range(COUNT):
            self.back_end.command(self.record, self.order)
        self.back_end.barrier(self.record, 60)
        check(self.effects == 1, f"{self.effects} effects")
        self.record.wait("event that counts refusals", lambda: self.record.refusals(events))
        return self.stale - stale, set(self.record.refusals(events))

    @property
    def stale(self):
        return sum(receipt[0] == self.order.id and receipt[2] == STALE for receipt in self.record.receipts)

    def replay_later(self):
        """In another run than that of the command."""
        stale, refusals = self.replay()
        check(1 <= stale < 2 * STALE_AT_ONCE, f"stale was told {stale} times")
        check(refusals == {OVER_BUDGET}, f"not answered: {refusals}")

    def replay_in_same_run(self):
        stale, refusals = self.replay()
        check(stale == 0 and refusals == {REPLAYED}, f"stale {stale} times, not answered: {refusals}")

    @property
    def outcomes(self):
        return {receipt[2] for receipt in self.record.told(self.order)}

    def sign_again(self):
        """The same id with a current challenge: how often the command has taken effect then."""
        count = len(self.record.told(self.order))
        self.back_end.command(self.record, self.back_end.order(self.record, "effect", again=self.order))
        self.record.wait("receipt of the same command", lambda: len(self.record.told(self.order)) > count)
        return self.effects


def running(case):
    case.replay_in_same_run()


def restarted(case):
    case.stop()
    case.start()
    case.replay_later()


def killed(case):
    case.kill()
    case.start()
    case.replay_later()


def stepped(case):
    for step in ("-10d", "+10d"):
        write(case.clock, step)
        for _ in range(COUNT):
            case.back_end.command(case.record, case.order)
        case.back_end.barrier(case.record)
        check(case.effects == 1 and case.stale == 0, f"{step}: {case.effects} effects, stale {case.stale} times")


def stepped_and_killed(case):
    for step in ("-10d", "+10d"):
        case.kill()
        write(case.clock, step)
        case.start()
        case.replay_later()


def robbed(case):
    """The state directory goes while the device runs, and again before it starts anew."""
    shutil.rmtree(case.state)
    case.replay_in_same_run()


def replays(back_end):
    rows = {
        "sent again in the same run": (running, False),
        "sent again after a restart": (restarted, False),
        "sent again after kill -9": (killed, False),
        "sent again while the clock is stepped by 10 days, back and forth": (stepped, True),
        "sent again after kill -9 and such steps": (stepped_and_killed, True),
        "sent again while its state is deleted": (robbed, False),
    }
    for number, (name, (row, clock)) in enumerate(rows.items()):
        case = Case(back_end, f"replay-{number}", clock=clock)
        try:
            row(case)
            if row is not robbed:
                check(case.sign_again() == 1, "signed again it took effect again")
            check(case.outcomes == {DONE}, f"the outcomes {case.outcomes} were told")
        except Failure as failure:
            raise Failure(f"{name}: {failure}") from failure
        finally:
            case.kill()
        yield f"CMD-06 a command that is {name}, {COUNT} times, takes effect once"


# What can be done to a state directory while nobody uses it.

def delete(case, rng):
    shutil.rmtree(case.state)


def restore(case, rng):
    shutil.rmtree(case.state)
    shutil.copytree(case.copy, case.state)


def some_file(case, rng):
    """A file of the journal, mostly the newest, or the key."""
    segments = sorted(case.state.glob("journal-*"))
    return rng.choice([segments[-1], segments[-1], rng.choice(segments), case.state / "master.key"])


def remove_file(case, rng):
    some_file(case, rng).unlink()


def truncate(case, rng):
    path = some_file(case, rng)
    data = path.read_bytes().rstrip(b"\0")
    size = rng.choice([0, rng.randrange(len(data)), max(0, len(data) - 1)])
    path.write_bytes(data[:size])
    return f"{path.name} of {len(data)} bytes has {size}"


def flip(case, rng):
    path = some_file(case, rng)
    data = bytearray(path.read_bytes())
    bit = rng.randrange(8 * len(data.rstrip(b"\0")))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return f"bit {bit} of {path.name} is flipped"


def lost_state(back_end, rng, seed, rows):
    """Whatever is lost: what was captured does not run again, and the back end can see that something was lost before
    it signs anything anew."""
    kinds = {
        "deleted": (delete, 1), "replaced by an older copy": (restore, 1), "without one of its files": (remove_file, 4),
        "with a truncated file": (truncate, rows), "with a flipped bit": (flip, rows),
    }
    for number, (name, (harm, times)) in enumerate(kinds.items()):
        cases, told, twice, still = [], 0, 0, 0
        try:
            for turn in range(times):
                case = Case(back_end, f"state-{number}-{turn}", copy=harm is restore)
                cases.append(case)
                if times == 1:
                    case.fill_audit_log(lambda: case.record.audit.entries)
                case.kill()
                what = harm(case, rng)
                try:
                    losses, events = case.record.losses, len(case.record.events)
                    case.start()
                    case.replay_later()
                    seen = case.record.losses > losses or any(
                        event[0] == STATE_LOST for event in case.record.events[events:])
                    again = case.sign_again()
                    told, twice = told + seen, twice + (again > 1)
                    # With the outcome alone lost, it is interrupted.
                    check(seen or (again == 1 and case.outcomes == {DONE}),
                          f"{again} effects, outcomes {case.outcomes}, and the back end could not know of a loss")
                    check(again <= 2 and case.outcomes <= {DONE, INTERRUPTED}, f"{again} effects, {case.outcomes}")
                    check(case.record.audit.announced, "there is no audit log")
                except Failure as failure:
                    raise Failure(f"{name}, seed {seed}: {what or ''}: {failure}") from failure
            for case in cases:
                if times == 1:
                    log = case.record.audit
                    case.fill_audit_log(lambda: log.has(AuditLog.ROLLED_BACK))
                    check(not log.holes, "the audit log does not go on where the back end's ends")
        finally:
            for case in cases:
                case.kill()
        yield (f"CMD-06 state {name}: what was captured does not run again; of {times} losses the back end was told "
               f"{told}, and {twice} forgot the command (seed {seed})")
