# SPDX-License-Identifier: Apache-2.0
"""The whole path of a reading, by a real device and a real broker: rows of measure.py."""
import os
import shutil
import subprocess
import sys

import jws
from table import path, per_round, quick, ratio_row, report, run, say, values, work


def last_envelope():
    with open(path("received-flow")) as messages:
        return bytes.fromhex([line.split()[1] for line in messages if "/telemetry " in line][-1])


def signed_size(envelope):
    """Bytes of its Sig_structure (RFC 9052 section 4.4)."""
    protected, _, payload, _ = jws.decode(envelope)[0]
    parts = (b"Signature1", protected, b"martlet/1/telemetry", payload)
    return 1 + sum(len(part) + (1 if len(part) < 24 else 2 if len(part) < 256 else 3) for part in parts)


def grouped(configuration, count, size):
    """The name of the same configuration with `count` envelopes in a commit. [telemetry] is its last section."""
    name = f"grouped-{configuration}"
    with open(path(configuration)) as text:
        lines = text.read()
    with open(path(name), "w") as text:
        # What the spool counts is records, which have 11 bytes more (SPOOL.md): 64 are some 15,000 bytes.
        text.write(lines + f"commit-bytes = {count * (size + 11)}\n")
    return name


def whole_path(port):
    """A message of one reading. As many may be on their way as a device lets telemetry have."""
    window, rounds = "15", 1 if quick else 9
    low, high = (500, 1500) if quick else (500, 2500)
    for name, key, configuration, state, count, processor, group in (
            ("EdDSA", "ed25519", "flow-ed25519.conf", "state-ed25519", 1.02, 1.30, 0 if quick else 64),
            ("ES256", "pump-7", "flow.conf", "state", 1.03, 1.60, 0)):
        say(f"whole path, {name}")

        def ours(program, messages, pause, configuration=configuration):
            # What a start reads would count as well.
            shutil.rmtree(path(state), ignore_errors=True)
            return path(program), path(configuration), "flow", str(messages), str(pause)

        runs, sizes = [], None
        for _ in range(rounds):
            one = run(*ours("TelemetryBench", 2000 if quick else 20_000, 500))
            if not sizes:
                envelope = last_envelope()
                sizes = str(signed_size(envelope)), str(len(envelope))
                larger = grouped(configuration, group, len(envelope)) if group else None

            def theirs(messages):
                return path("path"), work, port, path(f"{key}.key"), str(messages), window, *sizes

            other = run(*theirs(2000 if quick else 20_000))
            runs.append((one, other, run(*ours("TelemetryBench", 20_000, 500, larger)) if group else one))

        def processor_row(what, limit, side):
            least = tuple(min(one[index]["microseconds"] for one in runs) for index in (side, 1))
            ratio_row(f"{what}: processor time from report to PUBACK, against signature and publication", limit,
                      [least], lambda a, b: f"{a:.1f} and {b:.1f} µs, the least of {len(runs)}")

        processor_row(f"reading, {name}", processor, 0)
        # A long pause, as what runs under valgrind is slow, and asking again would be counted.
        counted = per_round(lambda n: ours("TelemetryBench.symbols", n, 50_000), low, high)
        least = per_round(theirs, low, high)

        def instructions_row(text, mine, known=0):
            ratio_row(text, count, [(mine, least)], lambda a, b: f"{a:,.0f} and {b:,.0f}", counts=True, known=known)

        instructions_row("the same: instructions", counted, known=KNOWN[name])
        if name == "EdDSA" and os.path.exists(path("steps.so")) and not quick:
            # By ES256 it is the hash that is signed, on both sides.
            emulated, executed = chain_hash(sizes[0])
            instructions_row("the same, with the chain's SHA-256 as this processor executes it",
                             counted - emulated + executed)
        if group:
            processor_row(f"reading, {name}, {group} envelopes in a commit", 1.15, 2)


# Up to where the bound may be missed: by EdDSA as valgrind's processor has no SHA instructions, by ES256 by what the
# system does meanwhile.
KNOWN = {"EdDSA": 1.031, "ES256": 1.032}


def chain_hash(size):
    """Instructions of SHA-256 of so many bytes: as valgrind counts them, and step by step."""
    def command(count):
        return path("sign"), size, "digest", str(count)
    return per_round(command, 100, 300), run(*command(3), LD_PRELOAD=path("steps.so"))["steps"]


def https(configuration):
    """The same device over HTTPS, instead of the broker."""
    say("HTTPS")
    server = subprocess.Popen(
        [sys.executable, "-B", os.path.join(os.path.dirname(__file__), "exchange.py"), work], stdout=subprocess.PIPE,
        text=True)
    try:
        port = server.stdout.readline().strip()
        with open(path("flow.conf")) as text:
            lines = text.read().replace("[mqtt]\nhost = localhost\n", f"[https]\nurl = https://localhost:{port}/\n")
        lines = "\n".join(line for line in lines.split("\n") if not line.startswith("port = "))
        with open(path(configuration), "w") as text:
            text.write(lines.replace("state = state", "state = state-https"))

        def flow(name):
            # Standard output of what `launch` runs is its standard error.
            done = subprocess.run(
                [path("launch"), path("TelemetryBench"), path(name), "flow", "2000" if quick else "20000", "500"],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
            ended = values(done.stdout)
            if ended["status"] != 0:
                sys.exit(f"TelemetryBench failed:\n{done.stderr}")
            return values(done.stderr)["microseconds"], ended["kibibytes"]

        runs = [(flow(configuration), flow("flow.conf")) for _ in range(1 if quick else 7)]
    finally:
        server.kill()
        server.wait()
    (time, memory), (mqtt_time, mqtt_memory) = ([min(one[side][index] for one in runs) for index in (0, 1)]
                                                for side in (0, 1))
    report("HTTPS against MQTT, the same device: peak memory", f"{memory / mqtt_memory:.2f} × "
           f"({memory:,.0f} and {mqtt_memory:,.0f} KiB)", f"the least of {len(runs)}")
    report("the same: processor time of a message, from report to answer", f"{time / mqtt_time:.2f} × "
           f"({time:.1f} and {mqtt_time:.1f} µs)", f"the least of {len(runs)}")
