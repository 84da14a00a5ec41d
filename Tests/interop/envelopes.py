#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifies the envelopes in Tests/Vectors/envelopes with pycose and with cwt; Tests/interop/run runs it.

What they must say stands here, not in the Swift code: keys, contexts, headers, claims and payloads.
"""

import hashlib
import pathlib
import sys

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cwt import COSE, COSEKey
from pycose.keys import EC2Key, OKPKey
from pycose.keys.curves import P256, Ed25519
from pycose.messages import CoseMessage

VECTORS = pathlib.Path(__file__).parent.parent / "Vectors"


class Key:
    """A published key, as each library wants it."""

    def __init__(self, private, algorithm):
        self.algorithm = algorithm
        public = private.public_key()
        self.spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.kid = hashlib.sha256(self.spki).digest()[:8]
        if algorithm == -8:
            self.x, self.d = public.public_bytes_raw(), private.private_bytes_raw()
            self.pycose = OKPKey(crv=Ed25519, x=self.x, d=self.d)
            self.cwt = COSEKey.new({1: 1, 3: -8, -1: 6, -2: self.x, -4: self.d, 2: self.kid})
        else:
            numbers = private.private_numbers()
            x, y, d = (
                n.to_bytes(32, "big")
                for n in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value)
            )
            self.pycose = EC2Key(crv=P256, x=x, y=y, d=d)
            self.cwt = COSEKey.new({1: 2, 3: -7, -1: 1, -2: x, -3: y, -4: d, 2: self.kid})


# RFC 8032 section 7.1, TEST 1, and the key "11" of github.com/cose-wg/Examples.
ED25519 = Key(
    ed25519.Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    ),
    -8,
)
P256_11 = Key(
    ec.derive_private_key(0x57C92077664146E876760C9520D054AA93C3AFB04E306705DB6090308507B4D3, ec.SECP256R1()), -7
)

DEVICE = "urn:dev:mac:0024befffe804ff1"
CONTROLLER = "urn:example:operations:7"
BOOT = [b"\xb0" * 16, 5_000_000_000]


def vector(path):
    return bytes.fromhex((VECTORS / path).read_text())


CERTIFICATE = vector("envelopes/device-certificate.hex")

COMMAND_CLAIMS = {
    1: CONTROLLER,
    3: DEVICE,
    4: 1763769900,
    5: 1763769540,
    6: 1763769600,
    7: b"\xc7" * 16,
    10: b"\x5a" * 16,
    -65537: [16, None, 1, None, None, None],
}
COMMAND = cbor2.dumps({0: "set-interval", 1: [60], 3: 1})
TELEMETRY_CLAIMS = {
    1: DEVICE,
    6: 1763769600,
    261: 5_000_000,
    -65537: [2, 1, 70_000, [69_999, b"\xd1" * 32], 2, BOOT],
}
BIRTH_CLAIMS = {1: DEVICE, 261: 5_000_000, -65537: [1, None, None, None, 0, BOOT]}
BIRTH = cbor2.dumps({0: 3, 1: 2, 2: b"\x5a" * 16, 3: {1: [70_000, b"\xd1" * 32]}, 4: 0, 5: [["martlet", "1.0"]]})


def header(key, content_type, claims, chain=None):
    parameters = {1: key.algorithm, 3: content_type, 4: key.kid, 15: claims}
    return parameters if chain is None else {**parameters, 33: chain}


# file, key, purpose, protected header, payload
EXPECTED = [
    ("martlet-birth-eddsa", ED25519, "birth", header(ED25519, 60, BIRTH_CLAIMS, CERTIFICATE), BIRTH),
    (
        "martlet-telemetry-eddsa",
        ED25519,
        "telemetry",
        header(ED25519, 112, TELEMETRY_CLAIMS),
        vector("senml-pack.hex"),
    ),
] + [
    (f"{maker}-command-{name}", key, "command", header(key, 60, COMMAND_CLAIMS), COMMAND)
    for maker in ("martlet", "pycose", "cwt")
    for name, key in (("eddsa", ED25519), ("es256", P256_11))
]


def pycose_verifies(message, key, context):
    decoded = CoseMessage.decode(message)
    decoded.key = key.pycose
    decoded.external_aad = context
    return decoded.verify_signature()


def cwt_verifies(message, key, context):
    try:
        COSE.new().decode_with_headers(message, [key.cwt], external_aad=context)
        return True
    except Exception:  # cwt has no one class for a signature that does not hold
        return False


failures = 0


def check(what, passed):
    global failures
    failures += not passed
    print(f"{'ok' if passed else 'not ok'} - {what}")


def check_content(name, message, parameters, payload):
    tagged = cbor2.loads(message)
    protected, unprotected, content, _ = tagged.value
    check(f"{name}: tag 18, nothing unprotected", tagged.tag == 18 and unprotected == {})
    check(f"{name}: headers and claims", cbor2.loads(protected) == parameters)
    check(f"{name}: headers are deterministic", cbor2.dumps(parameters, canonical=True) == protected)
    check(f"{name}: payload", content == payload)


def check_signature(name, message, key, purpose):
    context = f"martlet/1/{purpose}".encode()
    other = b"martlet/1/resume"
    # The last byte of the payload stands before the signature, a byte string of 64 bytes.
    forged = bytearray(message)
    forged[-67] ^= 1
    for library, verifies in (("pycose", pycose_verifies), ("cwt", cwt_verifies)):
        check(f"{name}: {library} verifies it", verifies(message, key, context))
        check(f"{name}: {library} refuses another context", not verifies(message, key, other))
        check(f"{name}: {library} refuses another payload", not verifies(bytes(forged), key, context))


def check_certificate(message):
    """Anybody with the device's certificate can verify what it says."""
    chain = cbor2.loads(cbor2.loads(message).value[0])[33]
    public = x509.load_der_x509_certificate(chain).public_key()
    key = Key.__new__(Key)
    key.pycose = OKPKey(crv=Ed25519, x=public.public_bytes_raw())
    telemetry = vector("envelopes/martlet-telemetry-eddsa.hex")
    check("the birth's certificate verifies telemetry", pycose_verifies(telemetry, key, b"martlet/1/telemetry"))


def main():
    for name, key, purpose, parameters, payload in EXPECTED:
        message = vector(f"envelopes/{name}.hex")
        check_content(name, message, parameters, payload)
        check_signature(name, message, key, purpose)
    check_certificate(vector("envelopes/martlet-birth-eddsa.hex"))
    commands = {vector(f"envelopes/{maker}-command-eddsa.hex") for maker in ("martlet", "pycose", "cwt")}
    check("three implementations sign one command with equal bytes", len(commands) == 1)
    sys.exit(failures != 0)


if __name__ == "__main__":
    main()
