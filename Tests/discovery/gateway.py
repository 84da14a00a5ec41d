# SPDX-License-Identifier: Apache-2.0
"""`martlet-gateway run --announce`: by itself, and by avahi-daemon; found by `martlet discover` and python-zeroconf."""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile

import announcing
from network import HERE4, THERE4, THERE6, Process

folder = pathlib.Path(__file__).resolve().parent
SERVICE = pathlib.Path("/etc/avahi/services/martlet.gateway.service")
# The machine's name is the gateway's.
NAMED = ["unshare", "--uts", "sh", "-c", 'hostname pantry.example && exec "$@"', "sh"]


class Gateway:
    def __init__(self, work, network, program, gateway, check):
        self.work, self.network, self.program, self.check = pathlib.Path(work), network, program, check
        self.gateway, self.place = gateway, self.work / "gateway"
        subprocess.run([gateway, "init", "--directory", self.place], check=True, capture_output=True)
        network.over("ip link set lo up")

    def start(self, *more, there=True):
        command = [*NAMED, self.gateway, "run", "--directory", str(self.place), "--json", "--announce", *more]
        return self.network.program(*command) if there else Process(command)

    def found(self):
        """Kind, instance, host, port, addresses and path of each, as `martlet discover` has them."""
        done = subprocess.run([*self.program, "discover", "--json", "--for", "4"], capture_output=True, timeout=60,
                              check=False)
        services = [json.loads(line) for line in done.stdout.splitlines()]
        return [tuple(one[key] for key in ("kind", "instance", "host", "port", "addresses", "path")) for one in services]

    def ports(self):
        return [int((self.place / name).read_text()) for name in ("port", "registrar-port")]

    def expected(self, addresses):
        broker, registrar = self.ports()
        return [("gateway", "pantry", "pantry.local", broker, addresses, None),
                ("registrar", "pantry", "pantry.local", registrar, addresses, "/.well-known/est")]

    def zeroconf(self):
        process = Process([sys.executable, str(folder / "browser.py"), "_secure-mqtt._tcp.local.",
                           "_brski-registrar._tcp.local."], stdin=subprocess.PIPE)
        process.wait_for("ready", seconds=60)
        return process

    def ended(self, process):
        status = process.process.wait(30)
        process.reader.join(10)
        return status, "".join(process.lines)

    def by_itself(self):
        with self.zeroconf() as browser:
            with self.start("--listen", "0.0.0.0") as gateway:
                gateway.wait_for("it can be found as pantry.local", seconds=60)
                found = self.found()
                self.check("gateway: martlet discover finds broker and registrar, by the addresses that they listen on",
                           found == self.expected([THERE4]), found)
                broker, registrar = self.ports()
                for kind, port, text in (("_secure-mqtt", broker, ""), ("_brski-registrar", registrar, "path=/.well-known/est")):
                    browser.wait_for(f"add pantry.{kind}._tcp.local. pantry.local. {port} {THERE4} {text}")
                self.check("gateway: python-zeroconf finds them", True)
                gateway.process.terminate()
                status, text = self.ended(gateway)
                self.check("gateway: it ends in order", status == 0, text)
            for kind in ("_secure-mqtt", "_brski-registrar"):
                browser.wait_for(f"remove pantry.{kind}._tcp.local.", seconds=20)
            self.check("gateway: its goodbye removes them", not self.found(), browser.lines)
        with self.start("--listen", THERE6, "--no-registrar", "--no-https") as gateway:
            gateway.wait_for("it can be found", seconds=60)
            found = self.found()
            self.check("gateway: one address alone, and no registrar", found == self.expected([THERE6])[:1], found)
        with self.start("--listen", HERE4, there=False) as gateway:
            gateway.wait_for("it can be found", seconds=60)
            found = self.found()
            self.check("gateway: it is found on its own machine, too", found == self.expected([HERE4]), found)

    def beside_another(self):
        """Another machine has the gateway's name: a device of that id."""
        stranger = self.network.program(*self.program, "announce", "--directory", str(self.work / "none"), "--id", "pantry")
        with stranger:
            stranger.wait_for("can be found")
            with self.start("--listen", HERE4, there=False) as gateway:
                gateway.wait_for("not announced: somebody else on this network has the name pantry", seconds=60)
                self.check("gateway: it goes on, unannounced, if somebody has its name", gateway.process.poll() is None,
                           gateway.lines)

    def by_avahi_browse(self):
        other = announcing.Announcing(self.work, self.network, self.program, self.check)
        with other.avahi_browse() as browse, self.start("--listen", HERE4, there=False) as gateway:
            gateway.wait_for("it can be found", seconds=60)
            for kind, port, text in zip(("_secure-mqtt", "_brski-registrar"), self.ports(), ("", '"path=/.well-known/est"')):
                found = browse("-rpt", f"{kind}._tcp")
                line = f"=;g0;IPv4;pantry;{kind}._tcp;local;pantry.local;{HERE4};{port};{text}"
                self.check(f"gateway: avahi-browse finds {kind}._tcp", line in found.splitlines(), found)

    def by_avahi(self):
        other = announcing.Announcing(self.work, self.network, self.program, self.check)
        with other.avahi("pantry", "g0", self.network.program):
            with self.start("--listen", "0.0.0.0") as gateway:
                gateway.wait_for(str(SERVICE), seconds=60)
                found = self.found()
                self.check("gateway: through avahi-daemon, martlet discover finds both", [one[:4] + one[5:] for one in found]
                           == [one[:4] + one[5:] for one in self.expected([])], found)
                gateway.process.send_signal(signal.SIGINT)
                status, text = self.ended(gateway)
                self.check("gateway: SIGINT takes the file back", status == 0 and not SERVICE.exists(), text)
            self.check("gateway: then avahi-daemon says nothing of it any more", not self.found())


def run(network, program, check, gateway):
    with tempfile.TemporaryDirectory() as work:
        test = Gateway(work, network, program, gateway, check)
        test.by_itself()
        test.by_avahi_browse()
        test.beside_another()
        test.by_avahi()
