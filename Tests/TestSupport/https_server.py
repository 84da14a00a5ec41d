# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server that says what a test lets it say: https_server.py CERTIFICATE KEY [CLIENT-CA [ended|optional]]

Prints its port, each connection, each request whole and how each connection ended. A request for /NAME is answered by
the bytes of the file NAME beside CERTIFICATE, and its query says what then happens to the connection: nothing (it is
kept), `end` (as TLS ends), `cut` (TCP alone ends), `reset`, `abort` (the same before the request's body is read), `hang`
(nothing more is said), `flood` (bytes without end), `drip` (the bytes themselves come one a second). Where a path cannot
have a query, the file NAME.then says so instead. The program NAME.run gets the request's body and writes the answer,
instead of a file NAME. With `ended` clients may show certificates that have ended, with `optional` none. The variable LISTEN
is the address and port to listen at, unless that is 127.0.0.1 and any port.
"""

import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

lock = threading.Lock()


def say(text):
    with lock:
        print(text, flush=True)


def read_request(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    if b"?abort " in head:
        return head, b""
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, stream.read(length)


def flood(connection):
    sent = 0
    try:
        while sent < 1 << 30:
            connection.sendall(bytes(16384))
            sent += 16384
    finally:
        say(f"FLOOD {sent // 1024} KiB")


def serve(number, connection, folder):
    stream = connection.makefile("rb")
    while request := read_request(stream):
        head, body = request
        name, _, then = head.split(b" ")[1].decode().lstrip("/").partition("?")
        say(f"REQUEST {number} {head.decode('latin-1')}BODY {len(body)} {body[:2000].decode('latin-1')}\nDONE")
        path = os.path.join(folder, os.path.basename(name))
        if os.path.exists(path + ".then"):
            with open(path + ".then", encoding="ascii") as file:
                then = file.read()
        if os.path.exists(path + ".run"):
            answer = subprocess.run([path + ".run"], input=body, stdout=subprocess.PIPE, check=True).stdout
        else:
            with open(path, "rb") as file:
                answer = file.read()
        if then == "drip":
            for byte in answer:
                connection.sendall(bytes([byte]))
                time.sleep(1)
        else:
            connection.sendall(answer)
        if then == "flood":
            return flood(connection)
        if then == "hang":
            stream.read(1)
            return
        if then == "end":
            connection.unwrap()
            return
        if then in ("reset", "abort"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            return
        if then == "cut":
            # Not shutdown() of the TLS object, which would tell the client.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
            return


def handle(number, raw, context, folder):
    try:
        connection = context.wrap_socket(raw, server_side=True)
        certificate = connection.getpeercert()
        name = dict(pair[0] for pair in certificate["subject"])["commonName"] if certificate else "nobody"
        say(f"CONNECTION {number} {name} {connection.version()} resumed={connection.session_reused}")
        serve(number, connection, folder)
        say(f"ENDED {number}")
    except (OSError, ValueError) as error:
        say(f"ENDED {number} {error}")
    finally:
        raw.close()


def main():
    certificate, key, *authority = sys.argv[1:]
    ended = authority[1:] == ["ended"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["http/1.1"])
    if authority:
        context.load_verify_locations(authority[0])
        context.verify_mode = ssl.CERT_REQUIRED
        if authority[1:] == ["optional"]:
            context.verify_mode = ssl.CERT_OPTIONAL
        if ended:
            # X509_V_FLAG_NO_CHECK_TIME, which the module does not name.
            context.verify_flags |= 0x200000
    address, _, port = os.environ.get("LISTEN", "127.0.0.1:0").partition(":")
    listener = socket.create_server((address, int(port)))
    say(f"PORT {listener.getsockname()[1]}.")
    number = 0
    while True:
        raw, _ = listener.accept()
        number += 1
        say(f"ACCEPTED {number}")
        threading.Thread(
            target=handle, args=(number, raw, context, os.path.dirname(certificate)), daemon=True).start()


main()
