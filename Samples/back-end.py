#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies what devices send, answers births and signs commands; written from Sources/PROTOCOL.md alone.
pip install pycose==1.1.0 'cbor2<6' cryptography
mosquitto_sub … -C 1 -N -t martlet/v1/pi-17/birth | tee birth | back-end.py verify pi-17.pem --context birth
back-end.py resume --key gw.key --iss urn:martlet:gateway --cert pi-17.pem --birth birth > resume
back-end.py command --key op.key --iss urn:martlet:operator --cert pi-17.pem --birth birth set-interval 60 > command
mosquitto_pub … -V 5 -q 1 -t martlet/v1/pi-17/resume -f resume; the same for command
"""
import argparse, hashlib, json, os, sys, time
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from pycose.keys import CoseKey
from pycose.messages import CoseMessage, Sign1Message
PURPOSES = dict(birth=1, telemetry=2, gap=3, event=4, receipt=6, checkpoint=7, command=16, resume=20)
canonical = lambda item: cbor2.dumps(item, canonical=True)
encoded = lambda key, encoding: key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
kid = lambda key: hashlib.sha256(encoded(key, Encoding.DER)).digest()[:8]
def require(holds, why): holds or sys.exit("refused: " + why)
def verify(message, path, context):
    """Claims, payload and hash of an envelope; `context` is the last level of the topic that it came by."""
    require(len(message) <= 16384 and canonical(cbor2.loads(message)) == message, "too large or not deterministic")
    envelope, certificate = CoseMessage.decode(message), x509.load_pem_x509_certificate(open(path, "rb").read())
    header, key = cbor2.loads(envelope.phdr_encoded), certificate.public_key()
    require(not envelope.uhdr and canonical(header) == envelope.phdr_encoded, "the headers are not as prescribed")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    require([header[15][1]] == names.get_values_for_type(x509.UniformResourceIdentifier), "another party's name")
    require(header[4] == kid(key) and header[15][-65537][0] == PURPOSES[context], "another key or purpose")
    envelope.key = CoseKey.from_pem_public_key(encoded(key, Encoding.PEM).decode())
    envelope.external_aad = b"martlet/1/" + context.encode()
    require(envelope.verify_signature(), "the signature does not hold")
    return header[15], cbor2.loads(envelope.payload), hashlib.sha256(envelope._create_sig_structure()).digest()
def sign(o, sequence, more, payload):  # for the device of the birth, bound to its challenge
    claims, birth, _ = verify(open(o.birth, "rb").read(), o.cert, "birth")
    pem, own = open(o.key).read(), [PURPOSES[o.verb], None, sequence, None, None, None]
    key = load_pem_private_key(pem.encode(), None).public_key()
    named = {1: o.iss, 3: claims[1], 6: int(time.time()), 10: birth[2], -65537: own, **more}
    header = {1: -7 if "EC" in type(key).__name__ else -8, 3: 60, 4: kid(key), 15: cbor2.loads(canonical(named))}
    aad, private = b"martlet/1/" + o.verb.encode(), CoseKey.from_pem_private_key(pem)
    return Sign1Message(header, {}, canonical(payload), aad, private).encode()
def value(text):
    try: return json.loads(text)
    except ValueError: return text  # what is not 5, 2.5 or true
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
verbs, signing = parser.add_subparsers(dest="verb", required=True), argparse.ArgumentParser(add_help=False)
for option in ("--key", "--iss", "--cert", "--birth"): signing.add_argument(option, required=True)
verifying, _ = verbs.add_parser("verify"), verbs.add_parser("resume", parents=[signing])
verifying.add_argument("cert"), verifying.add_argument("--context", choices=PURPOSES, default="telemetry")
commanding = verbs.add_parser("command", parents=[signing])
commanding.add_argument("name"), commanding.add_argument("arguments", nargs="*")
o, now = parser.parse_args(), time.time()
if o.verb == "verify":
    parts = zip(("claims", "payload", "hash"), verify(sys.stdin.buffer.read(), o.cert, o.context))
    sys.exit(print(json.dumps(dict(parts), default=bytes.hex)))
sequence, more, payload = None, {}, {0: int(now), 1: None, 2: 0, 3: {}}
if o.verb == "command":  # the sequence number only has to grow
    sequence, more = int(now * 1000), {4: int(now) + 60, 7: os.urandom(16)}
    payload = {0: o.name, 1: [value(text) for text in o.arguments], 2: 30, 3: 1}
sys.stdout.buffer.write(sign(o, sequence, more, payload))
