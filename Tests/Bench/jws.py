# SPDX-License-Identifier: Apache-2.0
"""The same readings as a device's signed message, as JSON (RFC 8428) in a compact JWS (RFC 7515)."""
import base64
import json
import subprocess

LABELS = {-3: "bt", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 6: "t"}


def decode(data, at=0):
    """One item of deterministic CBOR: the value and where it ends."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    width = 0 if info < 24 else 1 << info - 24
    argument = info if info < 24 else int.from_bytes(data[at:at + width], "big")
    if major == 7 and info in (25, 26, 27):
        import struct
        return struct.unpack(">" + {25: "e", 26: "f", 27: "d"}[info], data[at:at + width])[0], at + width
    at += width
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        content = data[at:at + argument]
        return (content.decode() if major == 3 else content), at + argument
    if major == 6:
        value, at = decode(data, at)
        if argument != 4:
            return value, at
        # A decimal fraction (RFC 8949 section 3.4.4).
        exponent, mantissa = value
        return mantissa / 10 ** -exponent if exponent < 0 else mantissa * 10 ** exponent, at
    if major == 7:
        return {20: False, 21: True, 22: None}[info], at
    items = []
    for _ in range(argument * (2 if major == 5 else 1)):
        item, at = decode(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if major == 5 else items), at


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def shortest(value):
    return int(value) if isinstance(value, float) and value.is_integer() else value


def raw_signature(der):
    """r and s of 32 bytes each."""
    raw, at = b"", 2
    for _ in range(2):
        length = der[at + 1]
        raw += int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big")
        at += 2 + length
    return raw


def jws(envelope, key):
    """The JWS of the envelope's readings, signed by the key in the file `key`, and how many readings there are."""
    (protected, _, payload, _), end = decode(envelope)
    assert end == len(envelope)
    header, _ = decode(protected)
    issuer = header[15][1]
    records = [{LABELS[label]: shortest(value) for label, value in record.items()} for record in decode(payload)[0]]
    records[0] = {"bn": issuer + ":", **records[0]}
    head = {"alg": "ES256", "kid": base64url(header[4]).decode()}
    text = b".".join(
        base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (head, records))
    der = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=text, stdout=subprocess.PIPE, check=True).stdout
    return text + b"." + base64url(raw_signature(der)), len(records)
