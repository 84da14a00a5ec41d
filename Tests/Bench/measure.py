# SPDX-License-Identifier: Apache-2.0
"""Measures what Tests/Bench/run has built: measure.py WORK AGENT-PORT LINK-PORT LATENCY-PORT FLOW-PORT
[--quick]."""
import glob
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import jws
import telemetry
from table import instructions, missed, path, per_round, quick, ratio_row, row, rows, run, say, values, work

agent_port, link_port, latency_port, flow_port = sys.argv[2:6]


def link():
    low, high = (200, 1200) if quick else (500, 2500)
    for window, processor, count in ((20, 1.05, 1.08), (1, 1.15, 1.15)):
        say(f"link, window {window}")
        messages = 1000 if quick else 10000
        ours = (work, link_port, "publish")
        pairs = [
            (run(path("LinkBench"), *ours, str(messages), str(window)),
             run(path("link"), work, link_port, str(messages), str(window)))
            for _ in range(1 if quick else 15)]
        wakeups = [statistics.median(side[index]["wakeups"] for side in pairs) for index in (0, 1)]
        ratio_row(
            f"link, window {window}: processor time of a message", processor,
            [(one["microseconds"], other["microseconds"]) for one, other in pairs],
            lambda a, b: f"{a:.1f} and {b:.1f} µs; {wakeups[0]:.2f} and {wakeups[1]:.2f} wake-ups")
        ratio_row(
            f"link, window {window}: instructions of a message", count,
            [(per_round(lambda n: (path("LinkBench.symbols"), *ours, str(n), str(window)), low, high),
              per_round(lambda n: (path("link"), work, link_port, str(n), str(window)), low, high))],
            lambda a, b: f"{a:,.0f} and {b:,.0f}", counts=True)


def launch(command, seconds):
    """Runs an agent until it has been connected for some seconds; what it cost, and the milliseconds from its start to
    its first PUBACK."""
    with open(path(f"broker-{agent_port}.log")) as log:
        log.seek(0, os.SEEK_END)
        child = subprocess.Popen([path("launch"), *command], stdout=subprocess.PIPE, text=True)
        begun = values(child.stdout.readline() + child.stdout.readline())
        acknowledged, deadline, line = None, time.monotonic() + 20, ""
        while acknowledged is None:
            part = log.readline()
            line += part
            if "Sending PUBACK to pump-7" in line:
                acknowledged = time.monotonic() * 1000
            elif line.endswith("\n"):
                line = ""
            elif not part:
                if child.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{os.path.basename(command[0])} had no message acknowledged")
                time.sleep(0.0001)
        time.sleep(seconds)
        os.kill(int(begun["pid"]), signal.SIGTERM)
        ended = values(child.stdout.read())
        child.wait()
        if ended["status"] != 0:
            sys.exit(f"{os.path.basename(command[0])} ended with status {ended['status']:.0f}")
        return {**ended, "start": acknowledged - begun["started"]}


def agents():
    say("agent: memory and start")
    ours, theirs = (path("sensor-agent"), "--config", path("agent.conf")), (path("agent"), work, agent_port)
    pairs = [(launch(ours, 3), launch(theirs, 3)) for _ in range(1 if quick else 9)]
    ratio_row(
        "sensor agent: peak memory", 1.08, [(one["kibibytes"], other["kibibytes"]) for one, other in pairs],
        lambda a, b: f"{a:,.0f} and {b:,.0f} KiB")
    pairs += [(launch(ours, 0), launch(theirs, 0)) for _ in range(0 if quick else 12)]
    ratio_row(
        "sensor agent: start to first signed PUBACK", 1.15, [(one["start"], other["start"]) for one, other in pairs],
        lambda a, b: f"{a:.1f} and {b:.1f} ms")


def filled():
    """A start with a spool that is full of messages of one reading each, against one with an empty spool."""
    count = 5000 if quick else 100_000
    say(f"agent: start with {count:,} readings")
    agent = (path("sensor-agent"), "--config", path("start.conf"))
    launch(agent, 0)
    os.rename(path("state-start"), path("state-empty"))
    run(path("TelemetryBench"), path("fill.conf"), "fill", str(count), "500")

    def start(state):
        shutil.rmtree(path("state-start"), ignore_errors=True)
        shutil.copytree(path(state), path("state-start"))
        return launch(agent, 0)["start"]

    pairs = [(start("state-filled"), start("state-empty")) for _ in range(1 if quick else 9)]
    ratio_row(f"start to first PUBACK with {count:,} readings in the spool, against none", 2, pairs,
              lambda a, b: f"{a:.1f} and {b:.1f} ms")


def idle():
    seconds = 5 if quick else 90
    say(f"agent: idle for {seconds} seconds")
    child = subprocess.Popen([path("sensor-agent"), "--config", path("idle.conf")])

    def wakeups():
        total = 0
        for status in glob.glob(f"/proc/{child.pid}/task/*/status"):
            with open(status) as text:
                total += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text.read(), re.M)[1])
        return total

    time.sleep(3)
    before = wakeups()
    time.sleep(seconds)
    rate = (wakeups() - before) / seconds
    with open(f"/proc/{child.pid}/maps") as text:
        libcurl = text.read().count("libcurl")
    child.terminate()
    if child.wait() != 0:
        sys.exit("sensor-agent failed")
    row("sensor agent, MQTT only: parts of libcurl in its address space", ("0", 0), f"{libcurl}", "", libcurl, True)
    row("sensor agent, connected and idle: wake-ups of all threads", ("0.2/s", 0.2), f"{rate:.2f}/s",
        f"{seconds} s, keep-alive 60 s", rate, False)


def signatures():
    say("signatures")
    key = path("pump-7.key")
    size = run(path("SignBench"), key, "sign", "1")["signed-bytes"]
    for work_name, limit in (("sign", 1.01), ("verify", 1.02)):
        ratio_row(
            f"COSE_Sign1, ES256: instructions to {work_name}", limit,
            [(per_round(lambda n: (path("SignBench.symbols"), key, work_name, str(n)), 100, 400),
              per_round(lambda n: (path("sign"), key, work_name, str(n), f"{size:.0f}"), 100, 400))],
            lambda a, b: f"{a:,.0f} and {b:,.0f}", counts=True)


def gate():
    def bench(kind, what, count):
        directory = tempfile.mkdtemp(dir=work)
        return path("GateBench.symbols"), directory, kind, what, str(count)

    def accepted(name, limit, pair, text="from its arrival to its handler", known=0):
        ratio_row(f"command, {name}: instructions {text}, against a verification", limit, [pair],
                  lambda a, b: f"{a:,.0f} and {b:,.0f}", counts=True, known=known)

    rounds = 64
    say("command gate, EdDSA")
    commands = path("commands")
    found = run(*bench("ed25519", "accepted", rounds))
    accept = instructions(*bench("ed25519", "accepted", rounds), commands, below="*receivesMessage*") / rounds
    accepted("EdDSA", 1.015,
             (accept, per_round(lambda n: (path("sign"), commands, "verify", str(n)), rounds, 3 * rounds)), known=1.018)
    if os.path.exists(path("steps.so")) and not quick:
        say("the same, step by step")
        stepped, count, steps = path("commands-stepped"), "3", {"LD_PRELOAD": path("steps.so")}
        accepted("EdDSA", 1.015, (run(*bench("ed25519", "accepted", count), stepped, **steps)["steps"],
                                  run(path("sign"), stepped, "verify", count, **steps)["steps"]),
                 "that this processor executes")
    fdatasync("EdDSA", found, rounds)
    say("command gate, ES256")
    found = run(*bench("p256", "accepted", rounds))
    size = f"{found['signed-bytes']:.0f}"
    verify = per_round(lambda n: (path("sign"), path("pump-7.key"), "verify", str(n), size), rounds, 3 * rounds)
    accept = instructions(*bench("p256", "accepted", rounds), below="*receivesMessage*") / rounds
    accepted("ES256", 1.03, (accept, verify))
    fdatasync("ES256", found, rounds)
    # Refused before the signature is looked at, so the kind of key makes no difference.
    most = 0
    for what in ("replayed", "malformed", "unknown-key", "other-device"):
        most = max(most, run(*bench("p256", what, rounds))["writes"])
        refuse = instructions(*bench("p256", what, rounds), below="*receivesMessage*") / rounds
        ratio_row(f"command, {what}: instructions to refuse it, against a verification", 0.02, [(refuse, verify)],
                  lambda a, b: f"{a:,.0f} and {b:,.0f}", counts=True)
    row("the same: writes to the disk", ("0", 0), f"{most:.0f}", f"the most of {4 * rounds}", most, True)


def fdatasync(name, found, rounds):
    row(f"command, {name}: fdatasync until its handler", ("1", 1), f"{found['syncs']:.0f}", f"the most of {rounds}",
        found["syncs"] if found["syncs"] > 0 else 2, True)


def formats():
    say("formats")
    for what, limit in (("encode", 2600), ("decode", 3600)):
        count = per_round(lambda n: (path("FormatBench.symbols"), what, str(n)), 1000, 5000)
        row(f"SenML of five readings: instructions to {what}", (f"{limit:,}", limit), f"{count:,.0f}", "", count, True)


def steady():
    say("memory blocks")
    found = run(path("SteadyBench"), path("steady.conf"), "1000", LD_PRELOAD=path("allocations.so"))
    # A buffer that grows once is not what a message costs.
    for name, what, bound in (("reading", "a reading", ("0", 0.01)),
                              ("message", "a message of five readings", ("0", 0.01)),
                              ("file", "a new file of the spool, every 350 messages or so", ("64", 64))):
        value = found[f"allocations-per-{name}"]
        row(f"memory blocks that Martlet takes for {what}", bound, f"{value:.3f}", "1,000 messages", value, True)
    with open(path("received")) as messages:
        topic, content = [line.split() for line in messages if "/telemetry " in line][-1]
    envelope = bytes.fromhex(content)
    least, everything, readings = jws.sizes(envelope, path("pump-7.key"))
    assert readings == 5
    ratio_row("five readings, signed: bytes against SenML-JSON in a JWS", 0.60, [least],
              lambda a, b: f"{a} and {b}", counts=True)
    ratio_row("the same with issuer, chain, clock and boot, as sent", 0.60, [everything],
              lambda a, b: f"{a} and {b}", counts=True)


def reconnects():
    say("reconnects")
    count = 20 if quick else 200

    def connect(how):
        return run(path("LinkBench"), work, link_port, "reconnect", str(count), how)

    pairs = [(connect("resumed"), connect("full")) for _ in range(1 if quick else 9)]
    ratio_row(
        "reconnect and publish, TLS 1.3 resumed: processor time against a full handshake", 0.5,
        [(one["microseconds"], other["microseconds"]) for one, other in pairs],
        lambda a, b: f"{a:,.0f} and {b:,.0f} µs")
    rate = min(one["resumed"] for one, _ in pairs)
    # Written as what failed, so that less is better, as in all other rows.
    row("reconnects that resumed", ("99 %", 0.01), f"{rate:.1%}", f"the least of {len(pairs)} runs of {count}",
        1 - rate, True)


def latency():
    """From the publication of a command to its handler, with the application idle and reporting, in turns."""
    turn = 25
    count = 2 * turn + 1 if quick else 44 * turn + 1
    say(f"latency of {count} commands")
    # The configuration's directory of state is also that of other programs, which have ended.
    device = subprocess.Popen([path("LatencyBench"), "device", path("latency.conf"), str(count)],
                              stdout=subprocess.PIPE, text=True)
    try:
        sent = run(path("LatencyBench"), "sender", work, latency_port, str(count))
        begun = values(device.communicate(timeout=30)[0])
    finally:
        device.kill()
    if device.returncode != 0 or begun["dropped"] > 0:
        sys.exit("LatencyBench failed")
    # A command says what the load is after it.
    times = [[], []]
    for number in range(1, count):
        times[(number - 1) // turn % 2].append((begun[str(number)] - sent[str(number)]) / 1000)
    idle, loaded = (statistics.quantiles(side, n=100) for side in times)
    ratio_row("command: 99th percentile from its publication to its handler, with 1,000 readings/s, against none", 2,
              [(loaded[98], idle[98])], lambda a, b: f"{a:.2f} and {b:.2f} ms; median {loaded[49]:.2f} and {idle[49]:.2f}")


def spools():
    """On file systems of their own, for which the other program must be root."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-B",
               os.path.join(os.path.dirname(__file__), "spools.py"), *sys.argv[1:]]
    done = subprocess.run(([] if os.geteuid() == 0 else ["sudo", "-n"]) + command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("spools.py failed")
    result = json.loads(done.stdout)
    rows.extend(result["rows"])
    missed.extend(result["missed"])


def machine():
    with open("/proc/cpuinfo") as text:
        model = re.search(r"^model name\s*:\s*(.*)", text.read(), re.M)
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}, ", "libssl3", "libmosquitto1", "mosquitto"],
        stdout=subprocess.PIPE, text=True).stdout
    name = model[1] if model else platform.processor()
    return f"{os.cpu_count()}-core {platform.machine()} ({name}), Linux {platform.release()}, {versions}"


def main():
    steady()
    signatures()
    gate()
    spools()
    if os.path.exists(path("FormatBench")):
        formats()
    link()
    reconnects()
    telemetry.whole_path(flow_port)
    telemetry.https("flow-https.conf")
    latency()
    agents()
    filled()
    idle()
    print("| figure | bound | measured | spread | reached |\n|---|---|---|---|---|")
    for line in rows:
        print("| " + " | ".join(line) + " |")
    print("\nMeasured on: " + machine() + "ours first, then C's. Spread: the middle half.")
    if quick and missed:
        sys.exit("beyond the bound: " + "; ".join(missed))


main()
