#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signs a command with pycose and with cwt, into Tests/Vectors/envelopes; the Swift tests verify what is there.

    Tests/interop/run && .build-interop/venv/bin/python Tests/interop/make_vectors.py

EdDSA gives the same bytes each time, ES256 others.
"""

import textwrap

from cwt import COSE
from pycose import algorithms, headers
from pycose.messages import Sign1Message

from envelopes import COMMAND, COMMAND_CLAIMS, ED25519, P256_11, VECTORS, header

CONTEXT = b"martlet/1/command"


def by_pycose(key):
    # pycose wants its own classes for what it knows, and sets them in the order given.
    parameters = header(key, 60, COMMAND_CLAIMS)
    protected = {
        headers.Algorithm: algorithms.EdDSA if key.algorithm == -8 else algorithms.Es256,
        headers.ContentType: parameters[3],
        headers.KID: parameters[4],
        15: parameters[15],
    }
    message = Sign1Message(phdr=protected, uhdr={}, payload=COMMAND, external_aad=CONTEXT, key=key.pycose)
    return message.encode()


def by_cwt(key):
    cose = COSE.new(alg_auto_inclusion=False, kid_auto_inclusion=False)
    return cose.encode_and_sign(
        COMMAND, key.cwt, protected=header(key, 60, COMMAND_CLAIMS), unprotected={}, external_aad=CONTEXT
    )


for maker, sign in (("pycose", by_pycose), ("cwt", by_cwt)):
    for name, key in (("eddsa", ED25519), ("es256", P256_11)):
        text = "\n".join(textwrap.wrap(sign(key).hex(), 120)) + "\n"
        (VECTORS / f"envelopes/{maker}-command-{name}.hex").write_text(text)
