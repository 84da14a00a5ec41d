# SPDX-License-Identifier: Apache-2.0
"""HTTPS for a test that answers itself: exchange_server.py CERTIFICATE KEY CLIENT-CA PORT [h2]

Prints its port, and each connection with the client's common name and certificate (SHA-256). For each request it
connects to 127.0.0.1:PORT, says that name, a line feed, the request as it came, and that this is all. What it gets until
that connection ends goes to the client as it is, in records of TLS of at most 128 bytes; nothing at all ends the
client's connection. With `h2` HTTP/2 is spoken to who offers it: each request is given up.
"""

import hashlib
import socket
import ssl
import sys
import threading

PART = 128


def serve(connection, name, port):
    stream = connection.makefile("rb")
    while True:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return
            head += line
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        body = stream.read(length)
        if len(body) < length:
            return
        with socket.create_connection(("127.0.0.1", port)) as test:
            test.sendall(name.encode() + b"\n" + head + body)
            test.shutdown(socket.SHUT_WR)
            said = 0
            while part := test.recv(65536):
                for start in range(0, len(part), PART):
                    connection.sendall(part[start:start + PART])
                said += len(part)
        if not said:
            return


def give_up(connection):
    stream = connection.makefile("rb")
    stream.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    connection.sendall(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    while len(head := stream.read(9)) == 9:
        stream.read(int.from_bytes(head[:3], "big"))
        # HEADERS: RST_STREAM, INTERNAL_ERROR.
        if head[3] == 1:
            connection.sendall(bytes([0, 0, 4, 3, 0]) + head[5:] + bytes([0, 0, 0, 2]))


def handle(raw, context, port):
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_side=True)
        name = dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]
        certificate = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        print(f"CONNECTION {name} resumed={connection.session_reused} certificate={certificate}", flush=True)
        if connection.selected_alpn_protocol() == "h2":
            print("HTTP/2", flush=True)
            give_up(connection)
        else:
            serve(connection, name, port)
    except (OSError, ValueError) as error:
        print(f"ENDED {error}", flush=True)
    finally:
        raw.close()


def main():
    certificate, key, authority, port, *protocol = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols([*protocol, "http/1.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"PORT {listener.getsockname()[1]}.", flush=True)
    while True:
        raw, _ = listener.accept()
        threading.Thread(target=handle, args=(raw, context, int(port)), daemon=True).start()


main()
