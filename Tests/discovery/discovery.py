#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`martlet discover` on a network of two machines; `run` starts it in namespaces of its own."""

import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile

import announcing
import gateway
import onboarding
from network import HERE4, THERE4, THERE6, Network, Process, private_folder, sh
import responder

folder = pathlib.Path(__file__).resolve().parent
root = folder.parents[1]
vectors = sys.argv[1] == "--vectors"
# With what runs it, for a board.
program = sys.argv[2:] if vectors else sys.argv[1:]
failures = 0

AVAHI = """<?xml version="1.0"?><!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group><name>Küche &amp; Keller</name>
<service><type>_secure-mqtt._tcp</type><port>8883</port></service>
<service><type>_brski-registrar._tcp</type><port>8443</port><txt-record>path=/.well-known/est/kitchen</txt-record></service>
</service-group>
"""
AVAHI_CONF = """[server]
host-name=pantry
enable-dbus=no
use-ipv4=yes
use-ipv6=yes
allow-interfaces=g0
disallow-other-stacks=no
[publish]
publish-hinfo=no
publish-workstation=no
"""


def check(what, is_good, detail=""):
    global failures
    if is_good:
        print(f"ok - {what}", flush=True)
    else:
        failures += 1
        print(f"not ok - {what}", flush=True)
        print("\n".join("    " + line for line in str(detail).splitlines()[-20:]), flush=True)


def martlet(*arguments, **options):
    return subprocess.run([*program, *arguments], capture_output=True, timeout=60, **options)


def discover(seconds=2):
    """What was found, as the program's JSON has it, and its exit status."""
    result = martlet("discover", "--json", "--for", str(seconds))
    return [json.loads(line) for line in result.stdout.splitlines()], result.returncode


def avahi(network):
    """avahi-daemon over there, when it has announced both services by both address families."""
    with open("/etc/avahi/services/martlet.service", "w", encoding="utf-8") as file:
        file.write(AVAHI)
    configuration = tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False)
    configuration.write(AVAHI_CONF)
    configuration.close()
    # What it reads is in this mount namespace only.
    daemon = network.program("avahi-daemon", "-f", configuration.name, "--no-drop-root", "--no-chroot", "--no-rlimits")
    daemon.wait_for("successfully established")
    os.unlink(configuration.name)
    return daemon


def zeroconf(network):
    process = network.program(sys.executable, str(folder / "responder.py"), "zeroconf", THERE4, THERE6,
                              stdin=subprocess.PIPE)
    process.wait_for("ready", seconds=60)
    return process


def liar(network, kind, address=THERE4):
    process = network.program(sys.executable, str(folder / "responder.py"), kind, "g0", address)
    process.wait_for("ready")
    return process


def pick(services, kind):
    return [service for service in services if service["kind"] == kind]


def usage():
    header = (root / "Sources/CMartlet/include/martlet.h").read_text()
    version = re.search(r'^#define MARTLET_VERSION "(.*)"$', header, re.M).group(1)
    result = martlet("--version")
    check("the program has the library's version", result.stdout.decode() == f"martlet {version}\n", result.stdout)
    for arguments in ([], ["dance"], ["discover", "--for"], ["discover", "--for", "0"], ["discover", "--for", "301"],
                      ["discover", "--for", "99999999999999999999"], ["discover", "x\x1b[2J"]):
        result = martlet(*arguments)
        check(f"{arguments} is wrong usage", result.returncode == 2 and result.stderr.startswith(b"martlet: ")
              and not result.stdout and b"\x1b" not in result.stderr, result)
    result = subprocess.run(["unshare", "--net", *program, "discover", "--for", "1"], capture_output=True)
    check("without a network it says so", result.returncode == 3 and b"no network interface" in result.stderr, result)
    with open("/dev/full", "wb") as full:
        result = subprocess.run([*program, "--help"], stdout=full, stderr=subprocess.PIPE)
    check("an output that cannot be written is an error", result.returncode == 3, result)


def nobody(network):
    with liar(network, "silent") as process:
        running = Process([*program, "discover", "--for", "4"])
        process.wait_for("asked", 2)
        sockets = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{running.process.pid}/fd")
                   if entry.is_symlink()]
        udp = sum(link.startswith("socket:") for link in sockets)
        check("it has one socket for each address family", udp == 2, sockets)
        status = running.process.wait(30)
        running.reader.join(10)
        text = "".join(running.lines)
        check("nothing found: the message says what to try", status == 1 and "same network segment" in text
              and "5353" in text and "address instead" in text, text)
        asked = [line for line in process.lines if line.startswith("asked")]
        check("it asks after 0, 1 and 3 seconds, for both kinds", len(asked) == 3 and all(
            responder.questions(bytes.fromhex(line.split()[1])) == [(responder.GATEWAYS, 12), (responder.REGISTRARS, 12)]
            for line in asked), asked)


def with_avahi(network):
    with avahi(network) as daemon:
        services, status = discover()
        gateways, registrars = pick(services, "gateway"), pick(services, "registrar")
        check("avahi: one gateway and one registrar are found", status == 0 and len(gateways) == 1
              and len(registrars) == 1, services)
        for found, port in ((gateways, 8883), (registrars, 8443)):
            check(f"avahi: instance, host and port {port} are its own", [
                (one["instance"], one["host"], one["port"], one["trusted"]) for one in found
            ] == [("Küche & Keller", "pantry.local", port, False)], services)
            addresses = found[0]["addresses"] if found else []
            check(f"avahi: its addresses are found, port {port}", THERE4 in addresses and THERE6 in addresses, services)
        check("avahi: TXT carries the EST path", [one["path"] for one in registrars] == ["/.well-known/est/kitchen"]
              and [one["path"] for one in gateways] == [None], services)
        table = martlet("discover", "--for", "2").stdout.decode()
        check("avahi: the table says it all, and that it is untrusted",
              re.search(r"^registrar  Küche & Keller  pantry.local  8443  .*  /.well-known/est/kitchen$", table, re.M)
              and table.splitlines()[0].startswith("KIND") and "Untrusted" in table, table)
        network.here(f"ip addr del {HERE4}/24 dev m0")
        services, status = discover()
        check("avahi: over IPv6 alone", status == 0 and len(services) == 2, services)
        network.here(f"ip addr add {HERE4}/24 dev m0", "echo 1 >/proc/sys/net/ipv6/conf/m0/disable_ipv6")
        services, status = discover()
        check("avahi: over IPv4 alone", status == 0 and len(services) == 2, services)
        network.here("echo 0 >/proc/sys/net/ipv6/conf/m0/disable_ipv6", "ip addr add fd77::1/64 dev m0 nodad")
        if vectors:
            capture(network, "avahi-0.8")
        daemon.stop()
    os.unlink("/etc/avahi/services/martlet.service")
    services, status = discover()
    check("avahi: when it has gone, nothing is found", status == 1 and not services, services)


def with_zeroconf(network):
    with zeroconf(network):
        services, status = discover()
        found = [(one["kind"], one["instance"], one["host"], one["port"], one["path"]) for one in services]
        check("zeroconf: both are found", status == 0 and found == [
            ("gateway", "Honest gateway", "honest.local", 8883, None),
            ("registrar", "Honest registrar", "honest.local", 8443, "/.well-known/est/devices")], services)
        check("zeroconf: the addresses are found",
              all(one["addresses"] == [THERE4, THERE6] for one in services), services)
        if vectors:
            capture(network, "zeroconf-0.154.0")
        with liar(network, "plain"):
            more, _ = discover()
            check("a stranger who answers well is shown beside the others, as untrusted",
                  [one["instance"] for one in more] == ["Honest gateway", "plain", "Honest registrar"]
                  and not any(one["trusted"] for one in more), more)
        for kind in ("wrong_id", "goodbye", "not_asked", "garbage", "other_port"):
            with liar(network, kind) as process:
                more, _ = discover(4)
                process.wait_for("asked")
                check(f"a liar changes nothing: {kind.replace('_', ' ')}", more == services, more)
        network.over("ip addr add 198.51.100.7/32 dev g0")
        with liar(network, "off_link", "198.51.100.7") as process:
            more, _ = discover()
            process.wait_for("asked")
            check("a liar changes nothing: an address that is on no link", more == services, more)
            # The same packets count once the address is on a link: nothing else kept them away.
            network.here("ip addr add 198.51.100.1/24 dev m0")
            more, _ = discover()
            check("the same liar is shown once its address is on a link", "plain" in str(more), more)
            network.here("ip addr del 198.51.100.1/24 dev m0")
        network.over("ip addr del 198.51.100.7/32 dev g0")


def with_others(network):
    with liar(network, "terse"):
        services, _ = discover(3)
        check("what an answer leaves out is asked for", [
            (one["kind"], one["instance"], one["host"], one["port"], one["addresses"], one["path"]) for one in services
        ] == [("registrar", "terse", "Terse-Host.local", 8443, ["10.77.0.9"], "/est2")], services)
    with liar(network, "escapes"):
        expected = r"\x1b[2J\x1b]0;owned\x07 \xff\xe2\x80\xae" + "\\\\"
        services, _ = discover()
        check("what could steer a terminal is escaped in JSON", [(one["instance"], one["host"]) for one in services] == [
            (expected, r"a\x2eb\x0a.local")], services)
        table = martlet("discover", "--for", "2").stdout
        check("what could steer a terminal is escaped in the table", expected.encode() in table
              and all(byte == 10 or 32 <= byte < 127 for byte in table), table)


def capture(network, origin):
    """Keeps an answer to each query as a vector."""
    target = root / "Tests/Vectors/dns"
    target.mkdir(exist_ok=True)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(HERE4))
    client.settimeout(5)
    for kind, question in (("gateway", responder.GATEWAYS), ("registrar", responder.REGISTRARS)):
        query = struct.pack(">HHHHHH", 0x1234, 0, 1, 0, 0, 0) + question + b"\x00\x0c\x00\x01"
        client.sendto(query, (responder.GROUP, 5353))
        answer, _ = client.recvfrom(9000)
        digits = answer.hex()
        lines = [digits[at:at + 100] for at in range(0, len(digits), 100)]
        (target / f"{origin}-{kind}.hex").write_text("\n".join(lines) + "\n")


def main():
    usage()
    for path in ("/etc/avahi/services", "/run/avahi-daemon"):
        private_folder(path)
    with Network() as network:
        nobody(network)
        with_avahi(network)
        with_zeroconf(network)
        with_others(network)
        onboarding.run(network, program, check, zeroconf, liar)
        announcing.run(network, program, check)
        # Not where a board's program is tested.
        if "GATEWAY" in os.environ:
            gateway.run(network, program, check, os.environ["GATEWAY"])
    sys.exit(1 if failures else 0)


main()
