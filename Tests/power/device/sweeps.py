# SPDX-License-Identifier: Apache-2.0
"""CMD-05: the device is killed at each system call between the arrival of a command and the end of its receipt."""

import collections
import concurrent.futures
import random
import signal

from back_end import DONE, INTERRUPTED
from board import HANDLER, NETWORK, Board, Tracer
from ext4 import CUTS, Disk
from harness import Failure, check

THREADS = {NETWORK: "network", HANDLER: "handler"}
# Nobody can be killed at the entry of a call that never begins anew.
SKIPPED = ("restart_syscall", "exit", "exit_group")
# The time in which a receipt's acknowledgement surely arrives and is dealt with.
SETTLED = 0.05
# Handlers that may run again after a restart, and how often (Sources/PROTOCOL.md, The ledger).
IDEMPOTENT, ATTEMPTS = ("set", "suspend", "activate"), 4


class Sweep:
    """Kills of one device by one kind of command. `cut` is what happens between the kill and the next start."""

    def __init__(self, back_end, record, name, cut=lambda: None):
        self.back_end, self.record, self.name, self.cut = back_end, record, name, cut
        self.orders, self.states, self.kills = [], collections.Counter(), collections.Counter()
        self.log, self.board = record.folder / "trace", None

    def start(self):
        """The device, if it does not run."""
        if not self.board:
            self.board = Board(self.record)
        return self.board

    def has_ended(self):
        """Whether the device was killed; power is cut then."""
        if not self.board or self.board.poll() is None:
            return False
        board, self.board = self.board, None
        board.end()
        check(board.process.returncode == -signal.SIGKILL, f"ended by itself: {board.last_words()}")
        self.cut()
        return True

    def stop(self):
        if self.board:
            self.board.kill()
            self.board = None

    def baseline(self):
        """How often each thread makes which call for a command that nobody disturbs."""
        board = self.start()
        tracers = {which: Tracer(board.thread(which), f"{self.log}-{which}") for which in THREADS}
        order = self.send()
        self.await_end(order)
        for tracer in tracers.values():
            tracer.end()
        self.settle(order)
        return {which: collections.Counter(call for call in tracer.calls() if call not in SKIPPED)
                for which, tracer in tracers.items()}

    def send(self):
        order = self.back_end.order(self.record, self.name)
        self.orders.append(order)
        self.back_end.command(self.record, order)
        return order

    def await_end(self, order):
        """The receipt has come and been acknowledged, or the device has ended."""
        self.record.wait("receipt", lambda: self.record.told(order), process=self.board)
        if self.board.poll() is None:
            self.board.ends_within(SETTLED)

    def everywhere(self):
        """Kills at the first, second … call of each kind, of each thread, until no kill fires."""
        try:
            for which, calls in self.baseline().items():
                for call in calls:
                    ordinal = 1
                    while self.one(which, call, ordinal):
                        ordinal += 1
        finally:
            self.stop()
        check(min(self.kills.values()) > 0, "nobody was killed")

    def somewhere(self, count, rng):
        """So many kills, anywhere."""
        try:
            points = [(which, call, ordinal + 1) for which, calls in self.baseline().items()
                      for call, times in calls.items() for ordinal in range(times)]
            while self.kills.total() < count:
                self.one(*rng.choice(points))
        finally:
            self.stop()

    def one(self, which, call, ordinal):
        """One command and one kill; whether the kill fired."""
        tracer = Tracer(self.start().thread(which), self.log, "-e", f"trace={call}",
                        "-e", f"inject={call}:signal=KILL:when={ordinal}")
        try:
            order = self.send()
            self.await_end(order)
            tracer.end()
            fired = tracer.calls().count(call) >= ordinal
            state = self.settle(order)
        except Failure as failure:
            raise Failure(f"{self.name}, kill at {call} {ordinal} of the {THREADS[which]} thread: {failure}") from failure
        finally:
            tracer.end()
        if fired:
            self.kills[which] += 1
            self.states[state] += 1
        return fired

    def settle(self, order):
        """What the next run says of the command, and what comes of it if it is signed again. Returns the state in which
        the device found itself."""
        record, effects = self.record, self.record.effects(order)
        self.has_ended()
        self.start()
        self.back_end.barrier(record)
        told = {receipt[2] for receipt in record.told(order)}
        state = "done" if DONE in told else "interrupted" if told else "not seen"
        check(told <= {DONE, INTERRUPTED} and len(told) <= 1, f"the receipts say {told}")
        check(told or effects == 0, "it took effect, and no run tells of it")

        count = len(record.told(order))
        again = self.back_end.order(record, self.name, again=order)
        self.back_end.command(record, again)
        record.wait("receipt of the same command", lambda: len(record.told(order)) > count, process=self.board)
        if self.has_ended():
            check(self.name == "reboot" and state == "not seen", "a known command was carried out again")
            self.start()
            record.wait("receipt of the reboot", lambda: len(record.told(order)) > count)
        told |= {receipt[2] for receipt in record.told(order)}
        check(len(told) == 1, f"the receipts say {told}")
        self.judge(order, told.pop())
        return state

    def judge(self, order, outcome):
        effects = self.record.effects(order)
        if self.name in IDEMPOTENT:
            check(outcome == DONE, f"an idempotent command ended with {outcome}")
            least, most = (0, 0) if self.name in ("suspend", "activate") else (1, ATTEMPTS)
        elif self.name == "reboot":
            check(outcome == INTERRUPTED, f"a reboot ended with {outcome}")
            least, most = 0, 1
        else:
            least, most = (1, 1) if outcome == DONE else (0, 1)
        check(least <= effects <= most, f"outcome {outcome}, and {effects} effects")

    def replay(self):
        """Everything that was captured, once more: nothing takes effect."""
        record = self.record
        self.start()
        try:
            before = record.effects_file.read_bytes() if record.effects_file.exists() else b""
            for order in self.orders:
                self.back_end.command(record, order)
            self.back_end.barrier(record, 60)
            after = record.effects_file.read_bytes() if record.effects_file.exists() else b""
            check(before == after, "a captured command took effect")
            # 5 s after the first entry that the back end does not have at the latest.
            record.wait("whole audit log", lambda: self.is_audited(), 30)
        finally:
            self.stop()
        self.audit()

    def is_audited(self):
        return all(len(self.record.audit.outcomes(order.id)[1]) == 1 for order in self.orders)

    def audit(self):
        log = self.record.audit
        check(log.holes == 0, f"{log.holes} holes in the audit log")
        for order in self.orders:
            accepted, outcomes = log.outcomes(order.id)
            told = self.record.told(order)[0][2]
            check(accepted == 1 and outcomes == [told], f"told {told}; audited {accepted} times, {outcomes}")

    def summary(self):
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        return f"killed {self.kills[NETWORK]} times at calls of the network thread, {self.kills[HANDLER]} of the handler's; {states}"


def kills(back_end):
    rules = {
        "effect": "takes effect at most once, and is told",
        "reboot": "reboots at most once, and is told as interrupted",
        "set": "that is idempotent takes effect, and is told as done",
        "suspend": "of the library itself is done and told",
    }

    def sweep_of(name):
        sweep = Sweep(back_end, back_end.add(f"kill-{name}"), name)
        sweep.everywhere()
        sweep.replay()
        return sweep

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for sweep in pool.map(sweep_of, rules):
            yield f"CMD-05 kill -9 at each system call: a command {rules[sweep.name]} ({sweep.summary()})"


def power_cuts(back_end, folder, seed, count):
    """What was not synced is lost, of the journal; the effects were of the world outside."""
    def cuts_of(name):
        rng, disk, kinds = random.Random(f"{seed}-{name}"), Disk(folder, f"disk-{name}"), collections.Counter()

        def cut():
            kind = rng.choices(range(4), (5, 2, 2, 1))[0]
            kinds[CUTS[kind]] += 1
            disk.cut(kind, rng)
            disk.mount()

        disk.format()
        disk.mount()
        try:
            sweep = Sweep(back_end, back_end.add(f"power-{name}", state=disk.journal), name, cut)
            sweep.somewhere(count, rng)
            sweep.replay()
        finally:
            disk.unmount()
        written = ", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items()))
        return (f"CMD-05 {kinds.total()} power cuts: {name} takes effect at most once, and is told ({sweep.summary()}; "
                f"written before: {written}; seed {seed})")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        yield from pool.map(cuts_of, ("effect", "reboot"))
