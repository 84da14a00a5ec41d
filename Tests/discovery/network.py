# SPDX-License-Identifier: Apache-2.0
"""A network of two machines: this process's network namespace, with the interface m0, and another one, with g0."""

import os
import subprocess
import threading

HERE4, THERE4, HERE6, THERE6 = "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"


def sh(command, **options):
    subprocess.run(command, shell=True, check=True, **options)


class Process:
    """A program over there (or here); its lines are read as they come."""

    def __init__(self, arguments, there=None, **options):
        prefix = ["nsenter", "-t", str(there), "--net"] if there else []
        self.process = subprocess.Popen(
            prefix + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.lines = []
        self.changed = threading.Condition()
        self.isEnded = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.isEnded = True
            self.changed.notify_all()

    def wait_for(self, text, count=1, seconds=30):
        """Until `count` lines have `text`."""
        def told():
            return sum(text in line for line in self.lines) >= count
        with self.changed:
            self.changed.wait_for(lambda: told() or self.isEnded, seconds)
            if not told():
                raise RuntimeError(f"no '{text}' in:\n{''.join(self.lines[-20:])}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Network:
    """The other namespace lives as long as a process that does nothing."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"],
                                       stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.there = self.holder.pid
        sh("ip link set lo up")
        sh(f"ip link add m0 type veth peer name g0 netns {self.there}")
        # Addresses can be used at once, and nothing but the program judges where a packet came from.
        settings = "echo 0 >/proc/sys/net/ipv6/conf/{0}/accept_dad; echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter;" \
            "echo 0 >/proc/sys/net/ipv4/conf/{0}/rp_filter"
        self.here(settings.format("m0"), f"ip addr add {HERE4}/24 dev m0", f"ip addr add {HERE6}/64 dev m0 nodad",
                  "ip link set m0 up")
        self.over(settings.format("g0"), f"ip addr add {THERE4}/24 dev g0", f"ip addr add {THERE6}/64 dev g0 nodad",
                  "ip link set g0 up")
        return self

    def __exit__(self, *_):
        self.holder.kill()
        self.holder.wait()

    def here(self, *commands):
        for command in commands:
            sh(command)

    def over(self, *commands):
        for command in commands:
            subprocess.run(["nsenter", "-t", str(self.there), "--net", "sh", "-c", command], check=True)

    def program(self, *arguments, **options):
        return Process(list(arguments), there=self.there, **options)


def private_folder(path):
    """An empty folder in the place of `path`, for this mount namespace only."""
    os.makedirs(path, exist_ok=True)
    sh(f"mount -t tmpfs tmpfs {path}")
