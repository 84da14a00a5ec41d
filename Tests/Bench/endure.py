# SPDX-License-Identifier: Apache-2.0
"""What Tests/Bench/endure runs: endure.py WORK PORT [--long]."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from cryptography import x509
from harness import Failure, check
from messages import PRIVATE, verify

LIMIT = 16 << 20
NAME = "urn:dev:mac:0024befffe804ff1"
PART = 50_000
work, port = pathlib.Path(sys.argv[1]), sys.argv[2]
# Whether the broker is there, for each part.
parts = [1, 1] + [0] * 9 + [1] * 7 + [0, 1] if "--long" in sys.argv else [1, 0]


class Broker:
    """One that keeps what its subscriber has not taken."""

    def __init__(self):
        self.log, self.process = work / f"broker-{port}.log", None

    def start(self):
        before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["mosquitto", "-c", work / f"broker-{port}.conf"], stderr=log)
        self.wait("running", before)

    def wait(self, text, since=0):
        end = time.monotonic() + 20
        while text not in self.log.read_text(errors="replace")[since:]:
            check(time.monotonic() < end and self.process.poll() is None, f"the broker does not say: {text}")
            time.sleep(0.02)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        self.process = None


class Size(threading.Thread):
    """The most bytes that the spool's files ever had on the disk."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.over = 0, threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            total = 0
            for file in (work / "state").glob("journal-[234]-*"):
                try:
                    total += file.stat().st_blocks * 512
                except FileNotFoundError:
                    continue
            self.most = max(self.most, total)


def resident(pid):
    return int(re.search(r"^VmRSS:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def run(broker, received):
    """KiB of memory at each pause."""
    broker.start()
    with open(received, "wb") as file:
        watcher = subprocess.Popen(
            ["mosquitto_sub", "-h", "localhost", "-p", port, "--cafile", work / "ca.pem", "--cert",
             work / "watcher.pem", "--key", work / "watcher.key", "-c", "-i", "watcher", "-q", "1", "-t", "#",
             "-F", "%t %x"], stdout=file)
    memory = []
    try:
        broker.wait("as watcher")
        device = subprocess.Popen(
            [work / "TelemetryBench", work / "endure.conf", "endure", str(PART * len(parts)), "500"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number, line in enumerate(device.stdout, 1):
            check(line.startswith("paused"), line)
            memory.append(resident(device.pid))
            is_there = number >= len(parts) or parts[number]
            if bool(is_there) != bool(broker.process):
                broker.start() if is_there else broker.stop()
            device.stdin.write("\n")
            device.stdin.flush()
        check(device.wait(60) == 0, "TelemetryBench failed")
        # What the broker has, the subscriber gets.
        end, before = time.monotonic() + 60, -1
        while before < (size := received.stat().st_size) and time.monotonic() < end:
            before = size
            time.sleep(3)
    finally:
        watcher.terminate()
        watcher.wait(10)
        broker.stop()
    return memory


def judge(received):
    """Envelopes, readings that arrived, and those that were given up."""
    key = x509.load_pem_x509_certificate((work / "pump-7.pem").read_bytes()).public_key()
    envelopes, gaps, values = {}, {}, set()
    for line in received.read_text().split("\n"):
        topic, _, content = line.partition(" ")
        leaf, message = topic.rpartition("/")[2], bytes.fromhex(content)
        if leaf == "telemetry":
            header, payload, _ = verify(key, NAME, leaf, message)
            sequence = header[15][PRIVATE][2]
            if sequence in envelopes:
                check(envelopes[sequence] == message, f"envelope {sequence} came with two contents")
                continue
            envelopes[sequence] = message
            for record in payload:
                check(record[2] not in values, f"reading {record[2]} came twice")
                values.add(record[2])
        elif leaf == "gap":
            _, gap, _ = verify(key, NAME, leaf, message)
            gaps[gap[0]] = gap
    given_up = sum(gap[2] for gap in gaps.values())
    told = set()
    for gap in gaps.values():
        told.update(range(gap[0], gap[1] + 1))
    known = envelopes.keys() | told
    missing = set(range(min(known), max(known) + 1)) - known
    check(not missing, f"{len(missing)} envelopes neither came nor are in a gap: {sorted(missing)[:3]}")
    check(not told & envelopes.keys(), "envelopes came that a gap says were given up")
    return len(envelopes), len(values), given_up, len(gaps)


def main():
    broker, size, received = Broker(), Size(), work / "received"
    begun = time.monotonic()
    size.start()
    memory = run(broker, received)
    size.over.set()
    total = PART * len(parts)
    envelopes, readings, given_up, gaps = judge(received)
    check(readings + given_up == total, f"{readings} readings came, {given_up} were given up, of {total}")
    check(size.most <= LIMIT, f"{size.most} bytes of spool")
    # Nothing is given up before the spool is full; it counts a whole block more for each of its 128 files.
    check(given_up == 0 or size.most > LIMIT - (640 << 10), f"{given_up} given up with {size.most} bytes of spool")
    away = parts.count(0) / len(parts)
    print(f"ok - all of {total:,} readings arrived once, in {envelopes:,} envelopes, but {given_up:,} that {gaps} signed "
          f"gap records tell; the broker was away for {away:.0%} of them [{time.monotonic() - begun:.0f} s]")
    print(f"ok - the spool had {size.most:,} bytes on the disk at most")
    if total > 2 * PART:
        growth = max(memory[2:]) - memory[1]
        check(growth <= 256, f"memory grew by {growth} KiB after the first 100,000 readings: {memory}")
        print(f"ok - memory grew by {growth} KiB after the first 100,000 readings (from {memory[1]:,})")


try:
    main()
except Failure as failure:
    sys.exit(f"not ok - {failure}")
