# SPDX-License-Identifier: Apache-2.0
"""CMD-05: the device is killed at each system call between the arrival of a command and the end of its receipt."""

import collections
import concurrent.futures
import random
import re
import shutil
import signal

from back_end import DONE, INTERRUPTED, ROLLED_BACK, STATE_LOST
from board import HANDLER, NETWORK, Board, Tracer, calls
from ext4 import CUTS, Disk
from harness import Failure, check

THREADS, RESTARTED = (NETWORK, HANDLER), "restarted"
PLACES = {NETWORK: "the network thread", HANDLER: "the handler's", RESTARTED: "the next run"}
# Nobody can be killed at the entry of a call that never begins anew.
SKIPPED = ("restart_syscall", "exit", "exit_group")
# What the run after a kill does with its journal and with the network.
RECOVERY = ("fallocate", "pwrite64", "fdatasync", "fsync", "ftruncate", "unlinkat", "write")
# What changes the journal, begins an exchange, or is the handler's effect.
LASTING = ("pwrite64", "fdatasync", "clone3", "openat", "write", "fsync")
# The time in which a receipt's acknowledgement surely arrives and is dealt with.
SETTLED = 0.05
# Of the calls of a kind that an undisturbed command was seen to make, this share, rounded down, must be reached: no
# command makes exactly the same calls, but one that is slower than SETTLED would be left alone too early.
REACHED = 2 / 3
# Handlers that may run again after a restart, and how often (Sources/PROTOCOL.md, The ledger).
IDEMPOTENT, ATTEMPTS = ("set", "suspend", "activate"), 4


class Sweep:
    """Kills of one device by one kind of command. `cut` is what happens between the kill and the next start."""

    def __init__(self, back_end, record, name, cut=lambda: None, burst=1):
        """`burst`: how many commands are sent at once."""
        self.back_end, self.record, self.name, self.cut, self.burst = back_end, record, name, cut, burst
        self.orders, self.states, self.kills = [], collections.Counter(), collections.Counter()
        self.log, self.board = record.folder / "trace", None
        # The network thread's calls for a command that nobody disturbs.
        self.undisturbed = record.folder / f"trace-{NETWORK}"

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
        self.back_end.barrier(self.record)
        tracers = {which: Tracer(board.thread(which), f"{self.log}-{which}", "-y") for which in THREADS}
        orders = self.send()
        self.await_end(orders, 10 * SETTLED)
        for tracer in tracers.values():
            tracer.end()
        self.settle(orders)
        return {which: collections.Counter(call for call in tracer.calls() if call not in SKIPPED)
                for which, tracer in tracers.items()}

    def send(self):
        orders = [self.back_end.order(self.record, self.name) for _ in range(self.burst)]
        self.orders += orders
        for order in orders:
            self.back_end.command(self.record, order)
        return orders

    def await_end(self, orders, settled=SETTLED):
        """The receipts have come and been acknowledged, or the device has ended."""
        self.record.wait("receipt", lambda: all(self.record.told(order) for order in orders), process=self.board)
        if self.board.poll() is None:
            self.board.ends_within(settled)

    def everywhere(self, kinds=None):
        """Kills at the first, second … call of each kind, or of these, of each thread, until no kill fires."""
        try:
            for which, calls in self.baseline().items():
                for call in [call for call in calls if not kinds or call in kinds]:
                    ordinal = 1
                    while self.one(which, call, ordinal):
                        ordinal += 1
                    check(ordinal - 1 >= int(REACHED * calls[call]),
                          f"{self.name}: {ordinal - 1} of {calls[call]} kills at {call} of {PLACES[which]} fired")
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
        self.start()
        self.catch_up()
        tracer = Tracer(self.board.thread(which), self.log, "-e", f"trace={call}",
                        "-e", f"inject={call}:signal=KILL:when={ordinal}")
        try:
            orders = self.send()
            self.await_end(orders)
            tracer.end()
            fired = tracer.calls().count(call) >= ordinal
            states = self.settle(orders)
        except Failure as failure:
            raise Failure(f"{self.name}, kill at {call} {ordinal} of {PLACES[which]}: {failure}") from failure
        finally:
            tracer.end()
        if fired:
            self.kills[which] += 1
            self.states.update(states)
        return fired

    def catch_up(self):
        """The journal keeps the audit log of the last dozen starts. Entries are told when 64 wait, or after 5 s."""
        log = self.record.audit
        while log.announced[0] > (log.head or [0])[0] + 32:
            self.back_end.barrier(self.record)

    def settle(self, orders):
        """What the next run says of the commands, and what comes of it if they are signed again. Returns the state of
        each in which the device found itself."""
        effects = [self.record.effects(order) for order in orders]
        self.has_ended()
        self.start()
        self.back_end.barrier(self.record)
        states = [self.state(order, count) for order, count in zip(orders, effects)]
        for order, state in zip(orders, states):
            self.sign_again(order, state)
        return states

    def state(self, order, effects):
        told = self.outcomes(order)
        check(told <= {DONE, INTERRUPTED} and len(told) <= 1, f"the receipts say {told}")
        check(told or effects == 0, "it took effect, and no run tells of it")
        return "done" if DONE in told else "interrupted" if told else "not seen"

    def outcomes(self, order):
        return {receipt[2] for receipt in self.record.told(order)}

    def sign_again(self, order, state):
        record, count = self.record, len(self.record.told(order))
        self.back_end.command(record, self.back_end.order(record, self.name, again=order))
        record.wait("receipt of the same command", lambda: len(record.told(order)) > count, process=self.board)
        if self.has_ended():
            check(self.name == "reboot" and state == "not seen", "a known command was carried out again")
            self.start()
            record.wait("receipt of the reboot", lambda: len(record.told(order)) > count)
        told = self.outcomes(order)
        check(len(told) == 1, f"the receipts say {told}")
        self.judge(order, told.pop())

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

    # The run that finds a command open is killed too.

    def recoveries(self):
        """At each call by which it changes its journal or says something, until it has stopped in order."""
        try:
            for call in RECOVERY:
                ordinal = 1
                while self.recovery(call, ordinal):
                    ordinal += 1
        finally:
            self.stop()

    def recovery(self, call, ordinal):
        orders = self.send_and_die()
        count = len(self.record.told(orders[0]))
        self.start_under("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={ordinal}")
        self.record.wait("receipt", lambda: len(self.record.told(orders[0])) > count, process=self.board)
        if self.board.poll() is None and not self.board.ends_within(SETTLED):
            self.board.process.stdin.close()
            if self.board.process.wait(20) == 0:
                self.board = None
        fired = max(collections.Counter(calls(self.log)).values(), default=0) >= ordinal
        try:
            states = self.settle(orders)
        except Failure as failure:
            raise Failure(f"{self.name}, the next run killed at {call} {ordinal}: {failure}") from failure
        if fired:
            self.kills[RESTARTED] += 1
            self.states.update(states)
        return fired

    def send_and_die(self):
        """The device is killed where its handler begins with the effect."""
        self.start()
        self.catch_up()
        tracer = Tracer(self.board.thread(HANDLER), self.log, "-e", "trace=openat",
                        "-e", "inject=openat:signal=KILL:when=1")
        orders = self.send()
        self.await_end(orders)
        tracer.end()
        check(self.has_ended(), "the kill did not fire")
        return orders

    def start_under(self, *options):
        self.board = Board(self.record, wrapper=("strace", "-f", "-qq", "-o", str(self.log), *options))

    def attempts(self):
        """An idempotent command that ends the program each time."""
        try:
            orders = self.send_and_die()
            for attempt in range(2, ATTEMPTS + 1):
                self.start_under("-P", str(self.record.effects_file), "-e", "trace=openat",
                                 "-e", "inject=openat:signal=KILL:when=1")
                self.record.wait("receipt", lambda: self.record.told(orders[0]), process=self.board)
                check(self.has_ended(), f"there was no attempt {attempt}")
            self.start()
            self.back_end.barrier(self.record)
            check(self.outcomes(orders[0]) == {INTERRUPTED}, f"told: {self.outcomes(orders[0])}")
        finally:
            self.stop()

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
        check(not log.holes, f"holes in the audit log, behind and before: {log.holes[:4]}")
        lost = [event for event in self.record.events if event[0] in (ROLLED_BACK, STATE_LOST)]
        check(not lost and self.record.losses == 0, f"told of losses: {lost}, {self.record.losses} births")
        for order in self.orders:
            accepted, outcomes = log.outcomes(order.id)
            told = self.record.told(order)[0][2]
            check(accepted == 1 and outcomes == [told], f"told {told}; audited {accepted} times, {outcomes}")

    def summary(self):
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        places = ", ".join(f"{count} at calls of {PLACES[which]}" for which, count in sorted(self.kills.items()))
        return f"killed {places}; {states}"


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
            if sweep.name == "effect":
                judge_order(sweep.undisturbed)
                yield "DUR-01 a command costs one fdatasync before its PUBACK, and one before its receipt"


def judge_order(log):
    """Of what is written to the journal and to the broker; a single byte is the MQTT library's word to itself."""
    call = re.compile(r"(\w+)\(\d+<(.*?)>.* = (\d+)$")
    found = [match for line in log.read_text(errors="replace").splitlines() if (match := call.match(line))]
    order = [name if "/journal-" in file else "send" for name, file, count in (match.groups() for match in found)
             if "/journal-" in file or (name == "write" and file.startswith("socket:") and count != "1")]
    check(order == ["pwrite64", "fdatasync", "send"] * 2, f"{order}")


def second_kills(back_end):
    def sweep_of(name):
        sweep = Sweep(back_end, back_end.add(f"twice-{name}"), name)
        sweep.recoveries()
        sweep.replay()
        return sweep

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for sweep in pool.map(sweep_of, ("effect", "set")):
            yield f"CMD-05 kill -9 of the next run as well: the same of {sweep.name} ({sweep.summary()})"
    Sweep(back_end, back_end.add("attempts"), "set").attempts()
    yield f"CMD-05 an idempotent command that ends the program each time is begun {ATTEMPTS} times, and told"


def forgetful_twin(back_end, seed):
    """A device that loses its state with each kill: the tests above can fail."""
    record = back_end.add("forgetful")
    sweep = Sweep(back_end, record, "effect", cut=lambda: shutil.rmtree(record.folder / "state"))
    try:
        sweep.somewhere(20, random.Random(seed))
    except Failure as failure:
        # Also a second effect; that there was none is another fault.
        check(re.search(r"took effect|receipts say|, and ([2-9]|\d{2,}) effects", str(failure)), str(failure))
        yield f"CMD-05 a device that forgets is found out (by command {len(sweep.orders)}; seed {seed})"
    else:
        raise Failure("a device that forgets is not noticed")


def cuts_of(back_end, folder, seed, count, name, burst=1, way="mqtt"):
    """What was not synced is lost, of the journal; the effects were of the world outside."""
    rng, disk, kinds = random.Random(f"{seed}-{name}"), Disk(folder, f"disk-{way}-{name}"), collections.Counter()

    def cut():
        kind = rng.choices(range(4), (5, 2, 2, 1))[0]
        kinds[CUTS[kind]] += 1
        disk.cut(kind, rng)
        disk.mount()

    disk.format()
    disk.mount()
    try:
        sweep = Sweep(back_end, back_end.add(f"power-{way}-{name}", state=disk.journal, way=way), name, cut, burst)
        sweep.somewhere(count, rng)
        sweep.replay()
    finally:
        disk.unmount()
    written = ", ".join(f"{kind} {times}" for kind, times in sorted(kinds.items()))
    return f"{sweep.summary()}; written before: {written}; seed {seed}", kinds.total()


def power_cuts(back_end, folder, seed, count):
    """One after the other: while a process is begun in another thread, it has what is open here, and the disk is
    busy."""
    for name, burst in (("effect", 3), ("reboot", 1)):
        summary, cuts = cuts_of(back_end, folder, seed, count, name, burst)
        yield f"CMD-05 {cuts} power cuts: {name} takes effect at most once, and is told ({summary})"


def by_https(back_end, folder, seed, count):
    """The same for commands that come by exchanges which the back end holds. A device that got something waits a second
    before it asks again, so there are few."""
    rules = {"effect": "takes effect at most once", "set": "that is idempotent takes effect, however often it is begun"}

    def sweep_of(name):
        sweep = Sweep(back_end, back_end.add(f"https-{name}", way="https"), name)
        sweep.everywhere(LASTING)
        sweep.replay()
        return sweep

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for sweep in pool.map(sweep_of, rules):
            yield (f"CMD-03 by long poll, kill -9 at each call that lasts: a command {rules[sweep.name]}, and is told "
                   f"until that is acknowledged ({sweep.summary()})")
    for name, rule in rules.items():
        summary, cuts = cuts_of(back_end, folder, seed, count, name, way="https")
        yield (f"CMD-03 by long poll, {cuts} power cuts: a command {rule}, and is told until that is acknowledged "
               f"({summary})")
