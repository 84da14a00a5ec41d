#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks for services of the types that it is told with python-zeroconf, until standard input ends. Prints "ready", and a
line for each service that comes, changes or goes: add|update|remove NAME HOST PORT ADDRESSES TXT."""

import sys

from zeroconf import IPVersion, ServiceBrowser, ServiceListener, Zeroconf


class Listener(ServiceListener):
    def tell(self, what, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, 3000)
        if info is None:
            print(what, name, "unresolved", flush=True)
            return
        pairs = sorted((key, value) for key, value in info.properties.items() if value is not None)
        attributes = " ".join(f"{key.decode()}={value.decode()}" for key, value in pairs)
        print(what, name, info.server, info.port, ",".join(sorted(info.parsed_addresses())), attributes, flush=True)

    def add_service(self, zeroconf, kind, name):
        self.tell("add", zeroconf, kind, name)

    def update_service(self, zeroconf, kind, name):
        self.tell("update", zeroconf, kind, name)

    def remove_service(self, zeroconf, kind, name):
        print("remove", name, flush=True)


browser = ServiceBrowser(Zeroconf(ip_version=IPVersion.All), sys.argv[1:], Listener())
print("ready", flush=True)
sys.stdin.read()
