# SPDX-License-Identifier: Apache-2.0
"""The same readings as a device's signed message, as JSON (RFC 8428) in a compact JWS (RFC 7515)."""
import base64
import json
import struct
import subprocess

LABELS = {-3: "bt", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 6: "t"}


def decode(data, at=0):
    """One item of deterministic CBOR: the value and where it ends."""
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    width = 0 if info < 24 else 1 << info - 24
    argument = info if info < 24 else int.from_bytes(data[at:at + width], "big")
    if major == 7 and info in (25, 26, 27):
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


def plain(value):
    """A claim as JSON has it."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return base64url(value).decode() if isinstance(value, bytes) else value


def jws(header, records, key):
    text = b".".join(
        base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, records))
    der = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", key], input=text, stdout=subprocess.PIPE, check=True).stdout
    return text + b"." + base64url(raw_signature(der))


def sizes(envelope, key):
    """Bytes of COSE and of JWS, signed by the key in the file `key`: with nothing but the readings and the key's id,
    and with all that the envelope says; and the number of readings."""
    (protected, _, payload, _), end = decode(envelope)
    assert end == len(envelope)
    header, _ = decode(protected)
    claims = header[15]
    records = [{LABELS[label]: shortest(value) for label, value in record.items()} for record in decode(payload)[0]]
    records[0] = {"bn": claims[1] + ":", **records[0]}
    least = {"alg": "ES256", "kid": plain(header[4])}
    names = {1: "iss", 6: "iat", -65537: "m"}
    everything = {**least, **{names[label]: plain(value) for label, value in claims.items()}}
    # Algorithm and key id alone are a header of 13 bytes instead of this one, whose length takes a byte more.
    smallest = len(envelope) - len(protected) - 1 + 13
    return ((smallest, len(jws(least, records, key))), (len(envelope), len(jws(everything, records, key))),
            len(records))
