# SPDX-License-Identifier: Apache-2.0
"""An authority, a broker that demands mutual TLS, and the files of devices."""

import datetime
import hashlib
import os
import pathlib
import select
import signal
import socket
import subprocess
import time

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from harness import Failure
from messages import sign, spki

BACK_END, OBSERVER = "urn:martlet:back-end", "urn:martlet:observer"
ROLES = {BACK_END: ["gateway", "operate"], OBSERVER: ["operate"]}
PREFIX = "martlet/v1"
# The device's state does not matter for the last two.
COMMANDS = {"count": [0], "effect": [0], "set": [0], "reboot": [0], "suspend": [0, 1], "activate": [0, 1]}


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def write(path, content):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


class Authority:
    """Certificates that are valid 40 days to both sides of now: clocks are stepped within."""

    def __init__(self, folder):
        self.folder, self.key = pathlib.Path(folder), new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Power Test CA")])
        self.certificate = self.issue(self.name, self.key.public_key(), [], None)
        write(self.folder / "ca.pem", self.certificate.public_bytes(Encoding.PEM))

    def issue(self, name, public, names, usage):
        now, span = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=40)
        builder = (x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(public)
                   .serial_number(x509.random_serial_number()).not_valid_before(now - span)
                   .not_valid_after(now + span)
                   .add_extension(x509.BasicConstraints(usage is None, None), critical=True))
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def party(self, folder, file, common_name, names, usage):
        """Makes FILE.key and FILE.pem, and returns the key."""
        key = new_key()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        certificate = self.issue(name, key.public_key(), names, usage)
        write(folder / f"{file}.pem", certificate.public_bytes(Encoding.PEM))
        write(folder / f"{file}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key

    def device(self, identifier, urn):
        folder = self.folder / identifier
        folder.mkdir(mode=0o700)
        key = self.party(folder, "device", identifier, [x509.UniformResourceIdentifier(urn)],
                         ExtendedKeyUsageOID.CLIENT_AUTH)
        write(folder / "ca.pem", self.certificate.public_bytes(Encoding.PEM))
        return folder, key


def trust_document(root, keys):
    """The first document: controllers by name, and what they may command."""
    rules = [{0: name, 3: states} if states != [0] else {0: name} for name, states in COMMANDS.items()]
    payload = {0: 1, 1: [spki(root.public_key())], 2: 1,
               3: [[name, spki(key.public_key()), ROLES[name]] for name, key in keys.items()], 4: {"operate": rules}}
    message, _ = sign(root, "trust", {1: "urn:martlet:root", 6: int(time.time())}, payload)
    return cbor2.dumps([cbor2.loads(message)]), hashlib.sha256(spki(root.public_key())).hexdigest()


class Broker:
    """mosquitto, on a free port."""

    def __init__(self, folder, authority):
        authority.party(folder, "broker", "localhost", [x509.DNSName("localhost")], ExtendedKeyUsageOID.SERVER_AUTH)
        up = ("birth", "presence", "telemetry", "gap", "event", "receipt", "checkpoint")
        down = ("command", "trust", "resume")
        rules = ["user back-end", f"topic readwrite {PREFIX}/#"]
        rules += [f"pattern write {PREFIX}/%u/{leaf}" for leaf in up]
        rules += [f"pattern read {PREFIX}/%u/{leaf}" for leaf in down]
        write(folder / "acl", "\n".join(rules) + "\n")
        for _ in range(5):
            self.port = free_port()
            write(folder / "broker.conf", "\n".join([
                "per_listener_settings true", "user root", "log_dest stderr", "max_queued_messages 20000",
                "set_tcp_nodelay true", f"listener {self.port} 127.0.0.1", f"cafile {folder}/ca.pem",
                f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key", "require_certificate true",
                "use_identity_as_username true", "use_username_as_clientid true", "allow_anonymous false",
                f"acl_file {folder}/acl"]) + "\n")
            self.process = subprocess.Popen(["mosquitto", "-c", str(folder / "broker.conf")],
                                            stdin=subprocess.DEVNULL, stderr=open(folder / "broker.log", "wb"))
            if self.listens():
                return
        raise Failure("mosquitto did not start: " + (folder / "broker.log").read_text()[-300:])

    def listens(self):
        while self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            except OSError:
                select.select([], [], [], 0.02)
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
