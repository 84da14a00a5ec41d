#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers multicast DNS queries as it is told: honestly with python-zeroconf, tersely, or as a liar.

    responder.py zeroconf ADDRESS
    responder.py KIND INTERFACE [ADDRESS]       KIND: a function below

Prints "ready", then "asked" for each query. ADDRESS is the one to answer from."""

import random
import socket
import struct
import sys
import time

GATEWAYS = b"\x0c_secure-mqtt\x04_tcp\x05local\x00"
REGISTRARS = b"\x10_brski-registrar\x04_tcp\x05local\x00"
GROUP = "224.0.0.251"
PTR, SRV, TXT, A = 12, 33, 16, 1


def name(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\x00"


def below(label, parent=GATEWAYS):
    return bytes([len(label)]) + label + parent


def record(owner, kind, data, ttl=10, section_class=1):
    return owner + struct.pack(">HHIH", kind, section_class, ttl, len(data)) + data


def srv(target, port=8883, priority=0, weight=0):
    return struct.pack(">HHH", priority, weight, port) + target


def answer(query, records, identity=None, flags=0x8400):
    """As RFC 6762 section 6.7 wants it: with the query's id and questions."""
    count, = struct.unpack_from(">H", query, 4)
    head = struct.pack(">HHHHHH", struct.unpack_from(">H", query)[0] if identity is None else identity, flags, count,
                       len(records), 0, 0)
    return head + query[12:] + b"".join(records)


def questions(query):
    """Pairs of name and type; our queries have no compression."""
    result, at = [], 12
    for _ in range(struct.unpack_from(">H", query, 4)[0]):
        start = at
        while query[at]:
            at += 1 + query[at]
        at += 1
        result.append((query[start:at], struct.unpack_from(">H", query, at)[0]))
        at += 4
    return result


def service(label, host=b"liar", address="10.77.0.66", ttl=10):
    target = name(host, b"local")
    return [record(GATEWAYS, PTR, below(label), ttl), record(below(label), SRV, srv(target), ttl),
            record(below(label), TXT, b"\x00", ttl), record(target, A, socket.inet_aton(address), ttl)]


def terse(query, reply):
    """Only what was asked, each in a message of its own, with the cache-flush bit, names in another case."""
    target = name(b"Terse-Host", b"local")
    for owner, kind in questions(query):
        if owner == REGISTRARS and kind == PTR:
            reply(answer(query, [record(owner, PTR, below(b"terse", REGISTRARS))]))
        elif owner == below(b"terse", REGISTRARS) and kind == SRV:
            reply(answer(query, [record(owner.upper(), SRV, srv(target, 8443), section_class=0x8001)]))
        elif owner == below(b"terse", REGISTRARS) and kind == TXT:
            reply(answer(query, [record(owner, TXT, b"\x0aPATH=/est2\x00", section_class=0x8001)]))
        elif owner.lower() == target.lower() and kind == A:
            reply(answer(query, [record(owner.lower(), A, socket.inet_aton("10.77.0.9"), section_class=0x8001)]))


def plain(query, reply):
    """What a liar gets who does it right: it is shown."""
    reply(answer(query, service(b"plain")))


def escapes(query, reply):
    reply(answer(query, service(b"\x1b[2J\x1b]0;owned\x07 \xff\xe2\x80\xae\\", host=b"a.b\n")))


def wrong_id(query, reply):
    for identity in range(0, 65536, 97):
        if identity != struct.unpack_from(">H", query)[0]:
            reply(answer(query, service(b"wrong id"), identity))


def goodbye(query, reply):
    """Unasked, as it would be sent to the group."""
    for label in (b"Honest gateway", b"terse"):
        reply(answer(query, service(label, host=b"honest", ttl=0), 0)[:2] + struct.pack(">HHHHH", 0x8400, 0, 4, 0, 0)
              + b"".join(service(label, host=b"honest", ttl=0)))


def not_asked(query, reply):
    """Other services, and records that belong to no instance."""
    other = b"\x05_http\x04_tcp\x05local\x00"
    reply(answer(query, [record(other, PTR, below(b"other", other)), record(below(b"other", other), SRV,
                                                                           srv(name(b"liar", b"local")))]))
    reply(answer(query, [record(GATEWAYS, PTR, below(b"other", other)), record(GATEWAYS, PTR, GATEWAYS)]))
    reply(answer(query, service(b"lonely")[1:]))
    reply(answer(query, service(b"a query"), flags=0))
    reply(answer(query, service(b"an error"), flags=0x8403))
    reply(answer(query, [record(GATEWAYS, PTR, below(b"class"), section_class=3)]))


def garbage(query, reply):
    """Random bytes, cut and damaged answers, with the right id where it survives."""
    chance = random.Random(8949)
    good = answer(query, service(b"damaged"))
    loop = answer(query, [record(GATEWAYS, PTR, b"\xc0\x0c")])
    for number in range(1500):
        kind = number % 3
        if kind == 0:
            packet = query[:2] + chance.randbytes(chance.randrange(1400))
        elif kind == 1:
            packet = good[:chance.randrange(len(good))]
        else:
            packet = loop[:-2] + struct.pack(">H", 0xc000 | chance.randrange(len(loop) - 2, 0x3fff))
        reply(packet)
        # Faster than this, what is lost is up to the kernel's buffers.
        if number % 50 == 49:
            time.sleep(0.005)
    reply(b"\x00" * 9001)


def silent(query, reply):
    pass


def run(kind, interface, address):
    group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    group.bind((GROUP, 5353))
    group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     socket.inet_aton(GROUP) + socket.inet_aton("0.0.0.0")
                     + struct.pack("@i", socket.if_nametoindex(interface)))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    act = globals()["plain" if kind in ("other_port", "off_link") else kind]
    sender.bind((address, 0 if kind == "other_port" else 5353))
    print("ready", flush=True)
    while True:
        query, source = group.recvfrom(9000)
        if source[1] == 5353:
            continue
        act(query, lambda packet: sender.sendto(packet, source))
        print("asked", query.hex(), flush=True)


def run_zeroconf(addresses):
    from zeroconf import IPVersion, ServiceInfo, Zeroconf

    responder = Zeroconf(ip_version=IPVersion.All)
    for kind, label, port, properties in (
            ("_secure-mqtt._tcp.local.", "Honest gateway", 8883, {}),
            ("_brski-registrar._tcp.local.", "Honest registrar", 8443, {"path": "/.well-known/est/devices"})):
        responder.register_service(ServiceInfo(
            kind, f"{label}.{kind}", port=port, properties=properties, server="honest.local.",
            parsed_addresses=addresses))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[1] == "zeroconf":
        run_zeroconf(sys.argv[2:])
    else:
        run(sys.argv[1], sys.argv[2], sys.argv[3])
