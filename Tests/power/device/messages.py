# SPDX-License-Identifier: Apache-2.0
"""Envelopes as Sources/PROTOCOL.md prescribes them, and the audit log that devices send in them."""

import hashlib

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from harness import check

PURPOSES = {"birth": 1, "telemetry": 2, "gap": 3, "event": 4, "receipt": 6, "checkpoint": 7, "command": 16,
            "trust": 19, "resume": 20}
PRIVATE = -65537


def canonical(item):
    return cbor2.dumps(item, canonical=True)


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def kid(key):
    return hashlib.sha256(spki(key)).digest()[:8]


def structure(protected, purpose, payload):
    return cbor2.dumps(["Signature1", protected, b"martlet/1/" + purpose.encode(), payload])


def sign(key, purpose, claims, payload, sequence=None):
    """The envelope and its hash; `key` is P-256."""
    own = [PURPOSES[purpose], None, sequence, None, None, None]
    header = {1: -7, 3: 60, 4: kid(key.public_key()), 15: {**claims, PRIVATE: own}}
    protected, body = canonical(header), canonical(payload)
    signed = structure(protected, purpose, body)
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, signature])), hashlib.sha256(signed).digest()


def verify(key, issuer, purpose, message):
    """Header, payload and hash of a device's envelope; raises unless it is one for this purpose."""
    check(len(message) <= 16384 and canonical(cbor2.loads(message)) == message, "too large or not deterministic")
    protected, unprotected, body, signature = cbor2.loads(message).value
    header = cbor2.loads(protected)
    claims = header[15]
    check(not unprotected and header[1] == -7 and header[4] == kid(key), "the headers are not as prescribed")
    check(claims[1] == issuer and claims[PRIVATE][0] == PURPOSES[purpose], "another issuer or purpose")
    signed = structure(protected, purpose, body)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    return header, cbor2.loads(body), hashlib.sha256(signed).digest()


class TelemetryLog:
    """What a back end has of one device's lanes. Readings are numbers."""

    def __init__(self):
        # The hash of all bytes, the hash in links, the link, and the readings of each envelope, by lane and number.
        self.lanes, self.gaps = {lane: {} for lane in range(3)}, 0

    def take(self, header, readings, digest, message):
        """Adds an envelope, which may come again, with the same bytes."""
        _, lane, sequence, previous, _, _ = header[15][PRIVATE]
        known = self.lanes[lane]
        entry = (hashlib.sha256(message).digest(), digest, previous, [reading[2] for reading in readings])
        newest = max(known, default=0)
        check(sequence in known or sequence > newest, f"lane {lane}: {sequence} came after {newest}")
        check(known.setdefault(sequence, entry) == entry, f"lane {lane}: {sequence} came again with other bytes")

    def numbers(self, lane):
        """All readings, in the order of the envelopes."""
        return [int(number) for _, (_, _, _, numbers) in sorted(self.lanes[lane].items()) for number in numbers]

    def judge(self):
        """Links are complete, and readings in order and there once."""
        for lane, known in self.lanes.items():
            last = None
            for sequence, (_, digest, previous, _) in sorted(known.items()):
                check(previous == last, f"lane {lane}: {sequence} is not linked to the envelope before")
                last = [sequence, digest]
            numbers = self.numbers(lane)
            check(all(a < b for a, b in zip(numbers, numbers[1:])), f"lane {lane}: readings twice, or out of order")
        check(self.gaps == 0, f"{self.gaps} gap records")


class AuditLog:
    """What a back end has of one device's audit log."""

    ACCEPTED, ENDED, ROLLED_BACK = 2, 4, 9

    def __init__(self):
        self.entries, self.head, self.announced, self.holes = [], None, None, []

    def announce(self, head):
        """Whether a birth's head is at or above the highest so far, and no other one with its index."""
        if self.announced and (head is None or head[0] < self.announced[0]):
            return False
        if self.announced and head[0] == self.announced[0]:
            return head[1] == self.announced[1]
        self.announced = head
        return True

    def take(self, checkpoint):
        """Adds the entries of a checkpoint, which may come twice; a hole is noted."""
        for encoded in checkpoint.get(4, []):
            entry, digest = cbor2.loads(encoded), hashlib.sha256(encoded).digest()
            check(canonical(entry) == encoded and len(encoded) <= 448, "an audit entry is not as prescribed")
            index, previous = entry[0], entry[1]
            known = self.head[0] if self.head else 0
            if index <= known:
                continue
            if previous != (self.head[1] if self.head else bytes(32)):
                self.holes.append((known, index))
            self.head = [index, digest]
            self.entries.append(entry)
        if checkpoint.get(4):
            check(checkpoint[1] == self.head or checkpoint[1][0] < self.head[0], "the head is not the last entry")
        self.announce(checkpoint[1])

    def outcomes(self, command):
        """How often the log says that a command was accepted, and with which outcomes it ended."""
        accepted = sum(entry[2] == self.ACCEPTED and entry[4][1] == command for entry in self.entries)
        return accepted, [entry[4][3] for entry in self.entries if entry[2] == self.ENDED and entry[4][1] == command]

    def has(self, kind):
        return any(entry[2] == kind for entry in self.entries)
