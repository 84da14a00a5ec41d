# SPDX-License-Identifier: Apache-2.0
"""PWR-02, SPL-05, SPL-07: power cuts of a real ext4 at every system call that may change the journal."""

import collections
import hashlib
import pathlib
import random
import shutil
import signal

import journal
from ext4 import CUTS, Disk
from harness import CANARY, CHANGES, DEVICE, STREAM, Failure, Model, check, first_of, read, strace, write

ROUNDS = 14


class Frames:
    """Every ciphertext that was ever seen, by the key and nonce that made it."""

    def __init__(self):
        self.seen, self.keys, self.images = {}, set(), 0

    def add(self, data, master):
        for salt, index, sealed in journal.genuine_frames(data, master, DEVICE, STREAM):
            digest = hashlib.sha256(sealed).digest()
            self.keys.add((master, salt))
            check(self.seen.setdefault((master, salt, index), digest) == digest,
                  f"salt {salt.hex()} and index {index} have two ciphertexts")

    def add_directory(self, directory):
        """What the processes see, also what is about to be lost."""
        key = directory / "master.key"
        if key.exists() and len(key.read_bytes()) == 32:
            for path in directory.glob("journal-*"):
                self.add(path.read_bytes(), key.read_bytes())

    def add_image(self, image, master):
        """What the medium holds, also of files that are gone."""
        data = pathlib.Path(image).read_bytes()
        check(CANARY not in data, "the medium holds plaintext")
        at = data.find(journal.MAGIC)
        while at >= 0:
            self.add(data[at:at + 8192], master)
            at = data.find(journal.MAGIC, at + 1)
        self.images += 1


class Sweep:
    """Cuts at the Nth call of each kind, N from the first that concerns the journal until no kill fires."""

    def __init__(self, folder, seed, program=()):
        pathlib.Path(folder).mkdir(exist_ok=True)
        self.folder, self.rng, self.program = pathlib.Path(folder), random.Random(seed), program
        self.frames, self.cuts = Frames(), collections.Counter()
        self.empty, self.disk = Disk(folder, "empty"), Disk(folder, "disk")
        self.empty.format()
        self.acknowledged = self.killed = self.unfinished = 0
        # Records of a commit, and how often a run follows the killed one before the cut.
        self.batch, self.started_again = 1, 0.3

    def one(self, model, call, ordinal):
        """One run, killed, and one cut; whether the kill fired. Leaves the disk unmounted."""
        # Only before a sync there is data of which a part can be lost.
        kind = self.rng.choices(range(4), (3, 1, 6, 1) if call == "fdatasync" else (5, 2, 2, 1))[0]
        self.disk.mount()
        run = write(self.disk.journal, ROUNDS, *self.program, batch=self.batch,
                    wrapper=strace(self.folder / "log", [call], f"{call}:signal=KILL:when={ordinal}"))
        check(run.status in (0, -signal.SIGKILL), f"status {run.status}: {run.text}")
        model.add(run)
        if self.rng.random() < self.started_again:
            # A supervisor starts it again; what it then begins with must not be lost any more.
            again = write(self.disk.journal, 0, *self.program)
            check(again.status == 0, f"a start after a kill: {again.text}")
            model.delivered(again.recovered)
            self.cuts["started again before the cut"] += 1
        self.frames.add_directory(self.disk.journal)
        self.disk.cut(kind, self.rng)
        if run.status:
            self.cuts[CUTS[kind]] += 1
            self.killed += 1
        self.acknowledged += len(run.acked)
        self.disk.mount()
        try:
            self.recover(model)
        finally:
            self.disk.unmount()
        return run.status != 0

    def recover(self, model):
        directory = self.disk.journal
        if not (directory / "master.key").exists():
            model.judge([])
            return
        self.frames.add_directory(directory)
        found = read(directory)
        model.judge(found.state)
        check(found.damage == 0, f"damage {found.damage}, told of a power cut alone")
        self.unfinished += found.unfinished > 0
        check(read(directory) == found, "a second recovery gives something else")
        after = write(directory, 2)
        check(after.status == 0 and len(after.acked) == 2, f"no more could be written: {after.text}")
        model.add(after)
        model.judge(read(directory).state)
        self.frames.add_directory(directory)
        master = (directory / "master.key").read_bytes()
        self.frames.add_image(self.disk.image, master)
        if self.rng.random() < 0.1:
            self.restore_copy(model)

    def restore_copy(self, model):
        """An old copy of the journal is put back, as an image restore does, and written on."""
        directory, old = self.disk.journal, self.folder / "old"
        shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(directory, old)
        check(write(directory, 3).status == 0, "no record after the copy was made")
        self.frames.add_directory(directory)
        shutil.rmtree(directory)
        shutil.copytree(old, directory)
        run = write(directory, 2, batch=2)
        check(run.status == 0, f"the copy cannot be written on: {run.text}")
        self.frames.add_directory(directory)
        model.add(run)
        model.judge(read(directory).state)
        self.cuts["copies restored"] += 1

    def starts(self, prepared):
        """Where each call first concerns the journal, in a run that nobody disturbs."""
        self.start(prepared)
        self.disk.mount()
        log = self.folder / "log"
        write(self.disk.journal, ROUNDS, batch=self.batch, wrapper=strace(log, CHANGES))
        self.disk.unmount()
        found = {name: first_of(name, self.disk.journal, log) for name in CHANGES}
        return {name: first for name, first in found.items() if first}

    def start(self, prepared):
        """A fresh disk, or the one of the cut before."""
        if not prepared:
            self.disk.copy(self.empty)

    def sweep(self, prepared):
        model = Model()
        firsts = self.starts(prepared)
        if prepared:
            self.disk.mount()
            model.numbers = read(self.disk.journal).state
            self.disk.unmount()
        for call, ordinal in firsts.items():
            fired, before = True, self.killed
            while fired:
                if not prepared:
                    self.start(prepared)
                    model = Model()
                try:
                    fired = self.one(model, call, ordinal)
                except Failure as failure:
                    raise Failure(f"kill at {call} {ordinal}, prepared {prepared}: {failure}") from failure
                ordinal += 1
            check(self.killed > before, f"no kill fired at {call}")


def power_cuts(folder, seed, least):
    sweep = Sweep(folder, seed)
    while sweep.killed < least:
        sweep.sweep(prepared=False)
        sweep.batch = sweep.batch % 3 + 1
        sweep.sweep(prepared=True)
    counts = ", ".join(f"{name} {sweep.cuts[name]}" for name in CUTS)
    check(sweep.unfinished > 0, "no cut left a part of a frame")
    yield (f"PWR-02 after each of {sweep.killed} power cuts every acknowledged commit is there, whole, once and in "
           f"order, and writing goes on ({sweep.acknowledged} acknowledged; {sweep.unfinished} times a part of one more; "
           f"written before the cut: {counts}; started again before it {sweep.cuts['started again before the cut']}, "
           f"old copies put back {sweep.cuts['copies restored']}; seed {seed})")
    check(len(sweep.frames.seen) > 5 * sweep.killed, f"only {len(sweep.frames.seen)} frames")
    yield (f"SPL-05 no key and nonce have two ciphertexts ({len(sweep.frames.seen)} frames of "
           f"{len(sweep.frames.keys)} segments, also those lost, removed, and written after a copy was put back)")
    yield f"SPL-07 no plaintext in {sweep.frames.images} images of the medium"


def losses(sweep, call, ordinals):
    """How many of some cuts lose what was acknowledged, or delivered to a later run."""
    lost = 0
    for ordinal in ordinals:
        sweep.start(False)
        try:
            sweep.one(Model(), call, ordinal)
        except Failure:
            lost += 1
    return lost


def unsynced_twins(folder, seed):
    """Without a sync the same cuts lose something: the test above can fail."""
    lost = losses(Sweep(folder, seed, program=("--broken-no-sync",)), "pwrite64", range(6, 12))
    check(lost > 0, "nothing is lost without fdatasync: the cuts prove nothing")
    yield f"PWR-02 a program that does not sync loses acknowledged records ({lost} of 6 cuts)"
    sweep = Sweep(pathlib.Path(folder) / "again", seed, program=("--broken-no-recovery-sync",))
    sweep.started_again = 1
    lost = losses(sweep, "fdatasync", range(2, 10))
    check(lost > 0, "nothing is lost without a sync at the start")
    yield f"PWR-02 a program that does not sync what it finds loses what it has begun with ({lost} of 8 cuts)"


def same_salt_twin(folder, seed):
    """A restored image brings back whatever uniqueness rests on, but for fresh randomness."""
    sweep = Sweep(folder, seed, program=("--broken-salt",))
    try:
        sweep.start(False)
        model = Model()
        for _ in range(2):
            sweep.one(model, "fdatasync", 8)
    except Failure as failure:
        check("two ciphertexts" in str(failure), str(failure))
        yield "SPL-05 segments with the same salt are found out"
    else:
        raise Failure("segments with the same salt are not noticed")


def plaintext_control(folder):
    """The scan of the medium finds what is there."""
    disk = Disk(folder, "plain")
    disk.format()
    disk.mount()
    (disk.point / "plain").write_bytes(b"x" * 700 + CANARY)
    disk.unmount()
    check(CANARY in disk.image.read_bytes(), "the scan finds nothing")
    yield "SPL-07 plaintext would be found"
