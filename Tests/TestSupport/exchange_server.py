# SPDX-License-Identifier: Apache-2.0
"""HTTPS for a test that answers itself: exchange_server.py CERTIFICATE KEY CLIENT-CA PORT [h2]

Prints its port, and each connection with the client's common name and certificate (SHA-256). For each request it
connects to 127.0.0.1:PORT, says that name, a line feed, the request as it came, and that this is all. What it gets until
that connection ends goes to the client as it is, in records of TLS of at most 128 bytes; nothing at all ends the
client's connection. With `h2` HTTP/2 is spoken to who offers it. On the first connection each request is given up; on
later ones one whose body has more than 1000 bytes gets 413, and a reset without an error, before it has arrived.
"""

import ctypes
import hashlib
import itertools
import os
import socket
import ssl
import struct
import sys
import threading

PART = 128
LIMIT = 1000
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM = ACK = 1
END_HEADERS = 4
NO_ERROR, INTERNAL_ERROR = 0, 2
count = itertools.count(1)
# libcurl's.
nghttp2 = ctypes.CDLL("libnghttp2.so.14")
nghttp2.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t


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
        said = 0
        for part in ask(port, name, head + body):
            for start in range(0, len(part), PART):
                connection.sendall(part[start:start + PART])
            said += len(part)
        if not said:
            return


def ask(port, name, request):
    with socket.create_connection(("127.0.0.1", port)) as test:
        test.sendall(name.encode() + b"\n" + request)
        test.shutdown(socket.SHUT_WR)
        while part := test.recv(65536):
            yield part


class Field(ctypes.Structure):
    """nghttp2_nv"""
    _fields_ = [("name", ctypes.c_void_p), ("value", ctypes.c_void_p), ("name_size", ctypes.c_size_t),
                ("value_size", ctypes.c_size_t), ("flags", ctypes.c_uint8)]


def fields(inflater, block):
    """What a header block stands for (RFC 7541)."""
    field, flags = Field(), ctypes.c_int()
    while not flags.value & 1:  # NGHTTP2_HD_INFLATE_FINAL
        used = nghttp2.nghttp2_hd_inflate_hd2(
            inflater, ctypes.byref(field), ctypes.byref(flags), block, ctypes.c_size_t(len(block)), 1)
        if used < 0:
            raise ValueError("not a header block")
        block = block[used:]
        if flags.value & 2:  # NGHTTP2_HD_INFLATE_EMIT
            yield (ctypes.string_at(field.name, field.name_size).decode(),
                   ctypes.string_at(field.value, field.value_size).decode())


def block(head):
    """All lines of an answer's head as literals."""
    status, *lines = head.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    return b"".join(b"\0" + bytes([len(name)]) + name.lower().encode() + bytes([len(value)]) + value.encode()
                    for name, value in [(":status", status.split(" ")[1]), *pairs])


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + stream + payload


def serve_http2(connection, name, port, gives_up):
    stream = connection.makefile("rb")
    stream.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    connection.sendall(frame(SETTINGS, 0, bytes(4), b""))
    inflater = ctypes.c_void_p()
    nghttp2.nghttp2_hd_inflate_new(ctypes.byref(inflater))
    body = None
    while len(head := stream.read(9)) == 9:
        kind, flags, own = head[3], head[4], head[5:]
        payload = stream.read(int.from_bytes(head[:3], "big"))
        if kind == SETTINGS and not flags & ACK:
            connection.sendall(frame(SETTINGS, ACK, bytes(4), b""))
        elif kind == HEADERS and gives_up:
            connection.sendall(frame(RST_STREAM, 0, own, struct.pack(">I", INTERNAL_ERROR)))
        elif kind == HEADERS:
            request, body = dict(fields(inflater, payload)), b""
            if int(request["content-length"]) > LIMIT:
                print("TOO LARGE", flush=True)
                body = None
                answer = block(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0")
                connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, own, answer)
                                   + frame(RST_STREAM, 0, own, struct.pack(">I", NO_ERROR)))
        elif kind == DATA and body is not None:
            body += payload
            if flags & END_STREAM:
                line = f"{request.pop(':method')} {request.pop(':path')} HTTP/1.1\r\n"
                lines = "".join(f"{name}: {value}\r\n" for name, value in request.items())
                answer = b"".join(ask(port, name, (line + lines + "\r\n").encode() + body))
                if not answer:
                    return
                head, content = answer.split(b"\r\n\r\n", 1)
                connection.sendall(frame(HEADERS, END_HEADERS, own, block(head))
                                   + frame(DATA, END_STREAM, own, content))


def handle(raw, context, port):
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = context.wrap_socket(raw, server_side=True)
        name = dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]
        certificate = hashlib.sha256(connection.getpeercert(binary_form=True)).hexdigest()
        print(f"CONNECTION {name} resumed={connection.session_reused} certificate={certificate}", flush=True)
        if connection.selected_alpn_protocol() == "h2":
            print("HTTP/2", flush=True)
            serve_http2(connection, name, port, gives_up=next(count) == 1)
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
        # A test may have put others in their place, or removed them.
        if os.path.exists(certificate):
            context.load_cert_chain(certificate, key)
        threading.Thread(target=handle, args=(raw, context, int(port)), daemon=True).start()


main()
