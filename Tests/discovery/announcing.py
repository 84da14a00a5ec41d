# SPDX-License-Identifier: Apache-2.0
"""`martlet announce`: by itself, by avahi-daemon, and against whoever has the port or the name."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from network import HERE4, HERE6, Process

folder = pathlib.Path(__file__).resolve().parent
NAME = "pump-7._martlet._udp.local"
SERVICE = pathlib.Path("/etc/avahi/services/martlet-pump-7.service")

AVAHI_CONF = """[server]
host-name={}
use-ipv4=yes
use-ipv6=yes
allow-interfaces={}
disallow-other-stacks=no
enable-dbus={}
[publish]
publish-hinfo=no
publish-workstation=no
"""
BUS_CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""


class Announcing:
    def __init__(self, work, network, program, check):
        self.work, self.network, self.program, self.check = pathlib.Path(work), network, program, check
        self.directory = self.work / "device"

    def arguments(self, *more):
        return [*self.program, "announce", "--directory", str(self.directory), "--id", "pump-7", *more]

    def start(self, *more):
        shutil.rmtree(self.directory, ignore_errors=True)
        return Process(self.arguments("--model", "P <1> & \"co\"", *more))

    def ended(self, process):
        """Its exit status and what it said."""
        status = process.process.wait(30)
        process.reader.join(10)
        return status, "".join(process.lines)

    def zeroconf(self):
        process = self.network.program(sys.executable, str(folder / "browser.py"), "_martlet._udp.local.",
                                       stdin=subprocess.PIPE)
        process.wait_for("ready", seconds=60)
        return process

    def avahi(self, host, interface, start, bus="no", **options):
        configuration = self.work / f"{interface}.conf"
        configuration.write_text(AVAHI_CONF.format(host, interface, bus))
        daemon = start("avahi-daemon", "-f", str(configuration), "--no-drop-root", "--no-chroot", "--no-rlimits",
                       **options)
        daemon.wait_for("Server startup complete")
        return daemon

    def alone(self):
        with self.zeroconf() as browser:
            with self.start() as device:
                device.wait_for("the device can be found as pump-7._martlet._udp.local")
                browser.wait_for(f"add {NAME}. pump-7.local. 0 ")
                line = next(line for line in browser.lines if line.startswith("add"))
                self.check("announce: python-zeroconf finds host, addresses and what the device tells",
                           HERE4 in line and HERE6 in line
                           and re.search(r'id=pump-7 model=P <1> & "co" state=factory version=\d', line), line)
                self.check("announce: it listens on UDP port 5353, and nowhere else",
                           self.listeners(device.process.pid) == {"udp 5353", "udp6 5353"},
                           self.listeners(device.process.pid))
                self.directory.mkdir(0o700)
                (self.directory / "pending.key").touch(0o600)
                browser.wait_for("state=pending")
                self.check("announce: python-zeroconf is told when somebody onboards the device", True)
                (self.directory / "device.pem").touch(0o600)
                status, text = self.ended(device)
                self.check("announce: it ends with the device's certificate", status == 0 and "certificate" in text, text)
            browser.wait_for(f"remove {NAME}", seconds=20)
            self.check("announce: its goodbye removes it", True)
            again = subprocess.run(self.arguments(), capture_output=True, timeout=30, check=False)
            self.check("announce: a device with a certificate is not announced", again.returncode == 0, again)

    def listeners(self, pid):
        found = set()
        own = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd") if entry.is_symlink()}
        for kind in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
            for line in pathlib.Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
                fields = line.split()
                if f"socket:[{fields[9]}]" in own:
                    found.add(f"{kind} {int(fields[1].rsplit(':', 1)[1], 16)}")
        return found

    @contextlib.contextmanager
    def avahi_browse(self):
        """avahi-daemon over there, and what avahi-browse then prints for some arguments."""
        address = f"unix:path={self.work}/bus"
        environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address}
        (self.work / "bus.conf").write_text(BUS_CONF.format(f"{self.work}/bus"))

        def browse(*arguments):
            command = ["nsenter", "-t", str(self.network.there), "--net", "avahi-browse", *arguments]
            return subprocess.run(command, env=environment, capture_output=True, timeout=60, text=True,
                                  check=False).stdout

        with Process(["dbus-daemon", f"--config-file={self.work}/bus.conf", "--nofork", "--print-address"]) as bus:
            bus.wait_for("unix:path")
            with self.avahi("larder", "g0", self.network.program, bus="yes", env=environment):
                yield browse

    def by_avahi_browse(self):
        with self.avahi_browse() as browse, self.start() as device:
            device.wait_for("the device can be found")
            found = browse("-rpt", "_martlet._udp")
            self.check("announce: avahi-browse finds it, by both address families", all(
                re.search(rf'^=;g0;{family};pump-7;_martlet._udp;local;pump-7.local;[^;]*;0;.*"state=factory"', found, re.M)
                for family in ("IPv4", "IPv6")), found)
            types = browse("-apt")
            self.check("announce: avahi finds it without knowing its type", "_martlet._udp" in types, types)

    def through_avahi(self):
        with self.avahi("board", "m0", lambda *arguments: Process(list(arguments))), self.zeroconf() as browser:
            with self.start() as device:
                device.wait_for(str(SERVICE))
                browser.wait_for(f"add {NAME}. board.local. 0 ")
                line = next(line for line in browser.lines if line.startswith("add"))
                self.check("announce: through avahi-daemon, python-zeroconf finds it",
                           re.search(r'id=pump-7 model=P <1> & "co" state=factory version=\d', line), line)
                self.check("announce: through avahi-daemon, it has no socket",
                           not self.listeners(device.process.pid), device.lines)
                device.process.terminate()
                status, text = self.ended(device)
                self.check("announce: SIGTERM takes it back", status == 0 and not SERVICE.exists(), text)
            browser.wait_for(f"remove {NAME}")
            with self.start() as device:
                device.wait_for(str(SERVICE))
                device.process.send_signal(signal.SIGKILL)
                self.ended(device)
            self.check("announce: a killed run leaves its file", SERVICE.exists())
            with self.start() as device:
                device.wait_for(str(SERVICE))
                self.directory.mkdir(0o700)
                (self.directory / "pending.key").touch(0o600)
                browser.wait_for("state=pending")
                (self.directory / "device.pem").touch(0o600)
                status, text = self.ended(device)
                self.check("announce: the next run takes the file over, and ends with the certificate",
                           status == 0 and not SERVICE.exists(), text)
            SERVICE.write_text("<service-group/>")
            again = subprocess.run(self.arguments(), capture_output=True, timeout=30, check=False)
            self.check("announce: a file that was left is removed once there is a certificate",
                       again.returncode == 0 and not SERVICE.exists(), again)
            subprocess.run(["mount", "-o", "remount,ro", str(SERVICE.parent)], check=True)
            with self.start() as device:
                status, text = self.ended(device)
                self.check("announce: a file that cannot be written ends it", status == 3 and "Read-only" in text, text)
            subprocess.run(["mount", "-o", "remount,rw", str(SERVICE.parent)], check=True)

    def refused(self):
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            with socket.socket(family, socket.SOCK_DGRAM) as other:
                if family == socket.AF_INET6:
                    other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other.bind((address, 5353))
                # Not that of an avahi-daemon.
                pathlib.Path("/run/avahi-daemon/pid").write_text(f"{os.getpid()}\n")
                with self.start() as device:
                    status, text = self.ended(device)
                    self.check(f"announce: it does not share the port with another responder: {address}",
                               status == 3 and "5353" in text, text)
        pathlib.Path("/run/avahi-daemon/pid").unlink()
        with self.start() as first:
            first.wait_for("can be found")
            with self.network.program(*self.arguments()) as second:
                status, text = self.ended(second)
                self.check("announce: the same id once more on the network is refused",
                           status == 3 and "pump-7" in text and first.process.poll() is None, text)
        with self.start() as first, self.network.program(*self.arguments()) as second:
            status = []
            for one in (first, second):
                try:
                    status.append(one.process.wait(8))
                except subprocess.TimeoutExpired:
                    status.append(None)
            self.check("announce: of two that begin together one gives way", sorted(map(str, status)) == ["3", "None"],
                       [first.lines, second.lines])
        with self.start("--for", "1") as device:
            status, text = self.ended(device)
            self.check("announce: it ends when its time is over", status == 0 and "over" in text, text)
        for arguments in (["--id", "pump 7"], ["--id", "a" * 64], ["--id", "x", "--model", ""], ["--id", "x", "--for", "0"],
                          ["--id", "x", "martlet:a-label"], []):
            done = subprocess.run([*self.program, "announce", "--directory", str(self.directory), *arguments],
                                  capture_output=True, timeout=30, check=False)
            self.check(f"announce: {arguments} is wrong usage", done.returncode == 2 and b"a-label" not in done.stderr, done)


def run(network, program, check):
    with tempfile.TemporaryDirectory() as work:
        test = Announcing(work, network, program, check)
        test.alone()
        test.by_avahi_browse()
        test.through_avahi()
        test.refused()
