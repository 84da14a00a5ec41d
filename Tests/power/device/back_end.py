# SPDX-License-Identifier: Apache-2.0
"""The back end of the tests: verifies all that devices say, answers their births, and commands them."""

import dataclasses
import itertools
import os
import socket
import ssl
import threading
import time

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from exchanges import Exchanges
from harness import Failure, check
from messages import PRIVATE, AuditLog, TelemetryLog, sign, verify
from paho.mqtt import client as mqtt
from parties import BACK_END, OBSERVER, PREFIX, Authority, Broker, new_key, trust_document, write

DONE, INTERRUPTED, STALE, EXPIRED, NOT_RECORDED = 0, 2, 10, 11, 22
REPLAYED, OVER_BUDGET = 9, 11
REFUSALS, ROLLED_BACK, STATE_LOST = 1, 2, 3


@dataclasses.dataclass
class Order:
    """A signed command."""
    name: str
    arguments: list
    id: bytes
    message: bytes
    digest: bytes


class Record:
    """What is known of one device. Everything is guarded by `changed`."""

    def __init__(self, back_end, identifier, folder, key, way):
        self.back_end, self.id, self.folder, self.key = back_end, identifier, folder, key.public_key()
        self.way = way
        self.urn = f"urn:dev:test:{identifier}"
        self.effects_file = folder / "effects"
        self.changed = threading.Condition()
        self.births, self.receipts, self.events, self.faults = [], [], [], []
        self.heads, self.audit, self.telemetry, self.run = {}, AuditLog(), TelemetryLog(), 0
        # Births that told of lost state: an older run, or an audit log that ends earlier.
        self.losses = 0

    def take(self, leaf, message):
        with self.changed:
            try:
                header, payload, digest = verify(self.key, self.urn, leaf, message)
                if leaf == "telemetry":
                    self.telemetry.take(header, payload, digest, message)
                getattr(self, "take_" + leaf)(header, payload, digest)
            except Exception as error:
                self.faults.append(f"{leaf}: {error!r}")
            self.changed.notify_all()

    def take_birth(self, _, payload, __):
        is_new = payload[0] > self.run or (payload[0] == self.run and self.births and payload[1] > self.births[-1][1])
        if not self.audit.announce(payload.get(6)) or (self.births and not is_new):
            self.losses += 1
        self.run = max(self.run, payload[0])
        self.births.append(payload)
        answer = {0: int(time.time()), 1: self.audit.announced, 2: 1, 3: self.heads}
        self.back_end.tell(self, "resume", {}, answer)

    def take_receipt(self, _, payload, __):
        self.receipts.append(payload)

    def take_event(self, _, payload, __):
        self.events.append(payload)

    def take_telemetry(self, header, _, digest):
        _, lane, sequence, _, _, _ = header[15][PRIVATE]
        if sequence > self.heads.get(lane, [0])[0]:
            self.heads[lane] = [sequence, digest]

    def take_gap(self, *_):
        self.telemetry.gaps += 1

    def take_checkpoint(self, _, payload, __):
        self.audit.take(payload)

    # What tests ask.

    def wait(self, what, condition, seconds=20, process=None):
        """Waits until the condition gives something, and returns that; None as soon as `process` has ended."""
        end = time.monotonic() + seconds
        with self.changed:
            while not (found := condition()):
                check(not self.faults, f"{self.id}: {self.faults[:2]}")
                if process and process.poll() is not None:
                    return condition()
                if time.monotonic() > end:
                    raise Failure(f"{self.id}: no {what} within {seconds} s")
                self.changed.wait(0.002 if process else end - time.monotonic())
        return found

    def told(self, order):
        """The receipts of a command, without those that say that its challenge is old."""
        return [receipt for receipt in self.receipts if receipt[0] == order.id and receipt[2] != STALE]

    def effects(self, order):
        lines = self.effects_file.read_text().split("\n") if self.effects_file.exists() else []
        return lines.count(order.id.hex())

    def refusals(self, since=0):
        """Counts by code, of the events from number `since` on."""
        counts = {}
        for event in self.events[since:]:
            for code, count in event.get(1, []) if event[0] == REFUSALS else []:
                counts[code] = counts.get(code, 0) + count
        return counts


class BackEnd:
    def __init__(self, folder):
        self.authority = Authority(folder)
        self.broker = Broker(folder, self.authority)
        self.exchanges = Exchanges(folder, self.take)
        self.root, self.keys, self.records = new_key(), {BACK_END: new_key(), OBSERVER: new_key()}, {}
        self.sequences = itertools.count(int(time.time() * 1000))
        self.authority.party(folder, "back-end", "back-end", [], ExtendedKeyUsageOID.CLIENT_AUTH)
        self.document, self.fingerprint = trust_document(self.root, self.keys)
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="back-end", protocol=mqtt.MQTTv5)
        self.client.max_inflight_messages_set(1000)
        self.client.tls_set(folder / "ca.pem", folder / "back-end.pem", folder / "back-end.key",
                            tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.on_message = self.on_message
        granted = threading.Event()
        self.client.on_subscribe = lambda *_: granted.set()
        self.client.connect("localhost", self.broker.port)
        self.client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.loop_start()
        self.client.subscribe(f"{PREFIX}/+/+", qos=1)
        check(granted.wait(20), "the broker does not answer the back end")

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()
        self.broker.stop()
        self.exchanges.shutdown()
        self.exchanges.server_close()

    def on_message(self, _, __, message):
        _, _, identifier, leaf = message.topic.split("/")
        self.take(identifier, leaf, message.payload)

    def take(self, identifier, leaf, message):
        """Whether the leaf is known."""
        if identifier in self.records and hasattr(Record, "take_" + leaf):
            self.records[identifier].take(leaf, message)
            return True
        return leaf == "presence"

    def add(self, identifier, state="state", more="", way="mqtt"):
        """A new device; `way`: how it comes, `https` by exchanges that are held."""
        urn = f"urn:dev:test:{identifier}"
        folder, key = self.authority.device(identifier, urn)
        write(folder / "trust.cbor", self.document)
        ways = {"mqtt": ["[mqtt]", "host = localhost", f"port = {self.broker.port}"],
                "https": ["[https]", f"url = https://localhost:{self.exchanges.port}/", "wait = 50"]}
        write(folder / "martlet.conf", "\n".join([
            "[device]", f"id = {identifier}", f"state = {state}", *ways[way], more, "[identity]", "key = device.key",
            "certificate = device.pem", "anchors = ca.pem", "[trust]", f"root = {self.fingerprint}",
            "document = trust.cbor", "[telemetry]", "batch-age = 0"]) + "\n")
        self.records[identifier] = Record(self, identifier, folder, key, way)
        return self.records[identifier]

    def order(self, record, name, again=None, expires=None, issuer=BACK_END):
        """A command with a new id, or that of `again`, for the device's present challenge."""
        identifier = again.id if again else os.urandom(16)
        arguments = [identifier.hex()] if name in ("effect", "set", "reboot") else []
        claims = {1: issuer, 3: record.urn, 6: int(time.time()), 7: identifier, 10: record.births[-1][2]}
        if expires is not None:
            claims[4] = expires
        message, digest = sign(self.keys[issuer], "command", claims, {0: name, 1: arguments}, next(self.sequences))
        return Order(name, arguments, identifier, message, digest)

    def tell(self, record, leaf, claims, payload):
        claims = {1: BACK_END, 3: record.urn, 6: int(time.time()), 10: record.births[-1][2], **claims}
        self.send(record, leaf, sign(self.keys[BACK_END], leaf, claims, payload)[0])

    def send(self, record, leaf, message):
        if record.way == "https":
            self.exchanges.send(record.id, leaf, message)
            return
        self.client.publish(f"{PREFIX}/{record.id}/{leaf}", message, qos=1)

    def command(self, record, order):
        self.send(record, "command", order.message)

    def barrier(self, record, seconds=20):
        """All that was sent before has been judged, and all that was to be told before has been told. It has a
        controller of its own, whose rate it may use up."""
        order = None
        while not order or not record.told(order):
            # The birth of a run that has ended may have been under way: then there is a newer one.
            births, order = len(record.births), self.order(record, "count", issuer=OBSERVER)
            self.command(record, order)
            record.wait("answer to count", lambda: record.told(order) or len(record.births) > births, seconds)
