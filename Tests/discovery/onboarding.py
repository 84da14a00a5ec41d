# SPDX-License-Identifier: Apache-2.0
"""`martlet onboard` with a label that names no server: whom it takes of those that announce themselves."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from network import THERE4

SERVER = pathlib.Path(__file__).resolve().parents[1] / "TestSupport" / "https_server.py"
HOST = "honest.local"

MAKE = f"""
set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=CA -keyout ca.key -out ca.pem \
-addext keyUsage=critical,keyCertSign
for name in registrar server; do
    case $name in registrar) usage=serverAuth,cmcRA ;; *) usage=serverAuth ;; esac
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$name -keyout $name.key \
-out $name.pem -CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=$usage \
-addext subjectAltName=DNS:{HOST} -addext keyUsage=critical,digitalSignature
done
openssl x509 -in ca.pem -outform DER -out ca.der
body=$(openssl crl2pkcs7 -nocrl -certfile ca.pem -outform DER | base64)
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: application/pkcs7-mime\\r\\nContent-Length: %d\\r\\n\\r\\n%s' "${{#body}}" "$body" \
>cacerts
chmod 700 simpleenroll.run
"""

ENROL = """#!/bin/sh
set -e
cd "$(dirname "$0")"
base64 -d | openssl req -inform DER -verify -out csr.pem >/dev/null 2>&1
openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -days 1 -extfile extensions -out issued.pem 2>/dev/null
body=$(openssl crl2pkcs7 -nocrl -certfile issued.pem -outform DER | base64)
printf 'HTTP/1.1 200 OK\\r\\nContent-Type: application/pkcs7-mime\\r\\nContent-Length: %d\\r\\n\\r\\n%s' "${#body}" "$body"
"""

EXTENSIONS = """subjectAltName=URI:urn:dev:mac:0024befffe804ff1
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
"""


class Onboarding:
    def __init__(self, folder, network, program):
        self.folder, self.network, self.program = pathlib.Path(folder), network, program
        (self.folder / "simpleenroll.run").write_text(ENROL)
        (self.folder / "csrattrs").write_text("HTTP/1.1 204 None\r\n\r\n")
        (self.folder / "extensions").write_text(EXTENSIONS)
        subprocess.run(["sh", "-c", MAKE], cwd=folder, check=True, capture_output=True)
        digest = hashlib.sha256((self.folder / "ca.der").read_bytes()).hexdigest()
        self.label = f"martlet:pump-7?ca={digest}&root={'0a' * 32}&token=a-token-of-the-label"
        # For this mount namespace only: what libnss-mdns would do.
        hosts = self.folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{THERE4} {HOST}\n")
        subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)

    def server(self, name):
        process = self.network.program(
            sys.executable, str(SERVER), str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key"),
            env=os.environ | {"LISTEN": f"{THERE4}:8443"})
        process.wait_for("PORT")
        return process

    def run(self, more=""):
        """Exit status, the text for people, and the configuration or None."""
        directory = self.folder / "device"
        shutil.rmtree(directory, ignore_errors=True)
        done = subprocess.run([*self.program, "onboard", "--directory", str(directory)], timeout=60, text=True,
                              input=self.label + more, capture_output=True, check=False)
        file = directory / "martlet.conf"
        return done.returncode, done.stdout + done.stderr, file.read_text() if file.exists() else None


def run(network, program, check, zeroconf, liar):
    with tempfile.TemporaryDirectory() as folder:
        test = Onboarding(folder, network, program)
        status, text, configuration = test.run()
        check("onboard: with nobody there it says what the label lacks",
              status == 3 and "no registrar: add est= to the label" in text and not configuration, text)
        with zeroconf(network):
            with test.server("registrar") as server:
                status, text, configuration = test.run()
                check("onboard: registrar and gateway are found", status == 0
                      and f"\nhost = {HOST}\nport = 8883\n" in configuration, text)
                check("onboard: EST is where the registrar says",
                      any("POST /.well-known/est/devices/simpleenroll" in line for line in server.lines), server.lines)
                with liar(network, "plain"):
                    status, text, configuration = test.run()
                    check("onboard: a gateway of another name is passed over", status == 0
                          and f"\nhost = {HOST}\n" in configuration, text)
            with test.server("server") as server:
                status, text, configuration = test.run()
                check("onboard: a server that only has the name gets no token", status == 1 and not configuration
                      and "for registrars" in text and not any("uthorization" in line for line in server.lines), text)
                status, text, _ = test.run(f"&est={HOST}:8443/devices")
                check("onboard: the same server is one that the label may name", status == 0, text)
        subprocess.run(["umount", "/etc/hosts"], check=True)
