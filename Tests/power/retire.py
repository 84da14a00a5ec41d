# SPDX-License-Identifier: Apache-2.0
"""ROT-05: a device is retired on a real file system, which loses power at every step; its image is searched for secrets."""

import base64
import os
import random
import signal
import subprocess

from ext4 import Disk
from harness import CANARY, check, command

TOOL = os.environ.get("MARTLET", "martlet")
CALLS = ("renameat", "write", "fsync", "unlinkat")
CONFIGURATION = """[device]
id = pump-7
state = journal
[mqtt]
host = localhost
[identity]
key = device.pem
certificate = device.pem
anchors = anchors.pem
[trust]
root = {}
""".format("0a" * 32)


def key():
    """A new private key: its file, the lines of it that are secret, and the number itself, which no file has as it is."""
    pem = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True, capture_output=True, timeout=30).stdout
    lines = pem.split(b"\n")[1:-2]
    der = base64.b64decode(b"".join(lines))
    # PrivateKeyInfo of RFC 5958 with an ECPrivateKey of RFC 5915 in it: the scalar is its 32 bytes behind 02 01 01 04 20.
    scalar = der[der.index(bytes.fromhex("0201010420")) + 5:][:32]
    # The last line may be short.
    return pem, [line for line in lines if len(line) >= 32], scalar


class Device:
    """What a device that was being renewed has on a disk, and what of it is secret."""

    def __init__(self, disk):
        disk.format()
        disk.mount()
        try:
            home = disk.point / "device"
            home.mkdir(mode=0o700)
            self.secrets, self.scalars = [], []
            for name in ("device.pem", "next.pem", "next.key", "next.key.new"):
                pem, lines, scalar = key()
                self.write(home / name, pem)
                self.secrets += lines
                self.scalars.append(scalar)
            self.write(home / "anchors.pem", b"x")
            self.write(home / "martlet.conf", CONFIGURATION.encode())
            subprocess.run(command("write", home / "journal", 40), check=True, capture_output=True, timeout=60)
            master = (home / "journal" / "master.key").read_bytes()
            check(len(master) == 32, "there is no master key")
            self.secrets.append(master)
        finally:
            disk.unmount()

    @staticmethod
    def write(path, content):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())


def found(disk, secrets):
    image = disk.image.read_bytes()
    return [secret for secret in secrets if secret in image]


def retire(home, *before):
    return subprocess.run(
        [*before, TOOL, "retire", "--directory", home, "--id", "pump-7", "--without-notice"],
        capture_output=True, text=True, timeout=60)


def left(home):
    """Files but locks, which hold nothing."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.suffix != ".lock")


def erase(disk, template, action):
    disk.copy(template)
    disk.mount()
    try:
        action(disk.point / "device")
        check(left(disk.point / "device") == [], f"left: {left(disk.point / 'device')}")
    finally:
        disk.unmount()


def ended(home):
    result = retire(home)
    check(result.returncode == 0, f"retire ended with {result.returncode}: {result.stderr}")


def remove(home):
    """A retirement that forgets to overwrite."""
    for path in home.rglob("*"):
        if path.is_file():
            path.unlink()
    os.sync()


def cut(disk, template, whole, call, number, kind, rng):
    """Cuts the power after the kill at a call. Whether a kill fired, and whether the first step survived."""
    disk.copy(template)
    disk.mount()
    try:
        result = retire(disk.point / "device", "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                        f"inject={call}:signal=KILL:when={number}")
        if result.returncode == 0:
            return None
        check(result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), f"status {result.returncode}")
        disk.cut(kind, rng)
    finally:
        if disk.point.is_mount():
            disk.unmount()
    disk.mount()
    try:
        home = disk.point / "device"
        names = left(home)
        where = f"{call} {number}"
        if names == whole:
            begun = False
            ended(home)
        else:
            begun = True
            check("device.pem" not in names, f"{where}: it can start, and is not whole: {names}")
            check(names == [] or "retired.pem" in names, f"{where}: nothing says that it is being retired: {names}")
            result = retire(home)
            check(result.returncode == (0 if names else 5), f"{where}: {result.returncode} {result.stderr}")
        check(left(home) == [], f"{where}: left: {left(home)}")
    finally:
        disk.unmount()
    return begun


def retirements(folder, seed):
    rng = random.Random(seed)
    template, disk = Disk(folder, "retire-template"), Disk(folder, "retire")
    device = Device(template)
    secrets = device.secrets
    check(len(found(template, secrets)) == len(secrets), "the search does not find what is there")
    never = [*device.scalars, CANARY]
    check(not found(template, never), "a key stands there as it is, or the journal can be read without its own")

    erase(disk, template, ended)
    check(not found(disk, secrets + never), f"{len(found(disk, secrets + never))} secrets are left on the disk")
    yield f"ROT-05 nothing of {len(secrets)} secrets is left on the disk of a retired device"

    erase(disk, template, remove)
    check(len(found(disk, secrets)) == len(secrets), "removed is not erased, and the search does not see it")
    yield "ROT-05 a twin that removes and does not overwrite is found out"

    disk.copy(template)
    disk.mount()
    try:
        whole = left(disk.point / "device")
    finally:
        disk.unmount()
    kills = begun = 0
    for call in CALLS:
        for kind in (0, 3):
            number = 1
            while (result := cut(disk, template, whole, call, number, kind, rng)) is not None:
                kills += 1
                begun += result
                number += 1
                check(not found(disk, secrets), f"{call} {number}: secrets are left")
            check(number > 1, f"{call}: no kill fired")
    yield f"ROT-05 {kills} power cuts, {begun} of them behind the first step: whole or ended by the next run"
