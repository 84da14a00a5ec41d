# SPDX-License-Identifier: Apache-2.0
"""An HTTPS server that sends frames of HTTP/2 as a test wrote them: http2_server.py CERTIFICATE KEY

Prints its port, each connection, each frame that arrives (`FRAME 1 HEADERS length=40 flags=0x5 stream=1`) and how each
connection ended; what it reads from its standard input it prints as well. The file http2.json beside CERTIFICATE says
what it does: a list, one element for each connection, the last one for all later ones, read anew for each request.
Bytes are in hex.

greeting  the first bytes, instead of an empty SETTINGS
answer    frames that follow a request; stream 1 stands for that of the request, also in `repeat`
early     they follow its headers, not its end
grants    as much as arrived may be sent again
repeat    frames that follow the answer again and again, `pause` seconds apart
then      what comes last: nothing (the connection is kept), `end` (as TLS ends), `cut` (TCP alone ends)
plain     the answer to a client that does not offer HTTP/2; HTTP/2 alone is offered without it
"""

import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

NAMES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
         "CONTINUATION"]
END_STREAM = ACK = 1
lock = threading.Lock()


def say(text):
    with lock:
        print(text, flush=True)


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", NAMES.index(kind), flags, stream) + payload


def addressed(frames, stream):
    """The frames, as long as they are some, with `stream` for stream 1."""
    result, at = b"", 0
    while at + 9 <= len(frames):
        end = at + 9 + int.from_bytes(frames[at:at + 3], "big")
        own = int.from_bytes(frames[at + 5:at + 9], "big") == 1
        result += frames[at:at + 5] + (struct.pack(">I", stream) if own else frames[at + 5:at + 9]) + frames[at + 9:end]
        at = end
    return result + frames[at:]


def script(number, folder):
    with open(os.path.join(folder, "http2.json"), encoding="ascii") as file:
        scripts = json.load(file)
    return scripts[min(number, len(scripts)) - 1]


def repeat(connection, step, stream):
    sent, part = 0, addressed(bytes.fromhex(step["repeat"]), stream)
    if not step["pause"]:
        part *= max(1, 16384 // len(part))
    try:
        while sent < 1 << 28:
            connection.sendall(part)
            sent += len(part)
            time.sleep(step["pause"])
    finally:
        say(f"REPEATED {sent} bytes")


def serve(number, connection, folder):
    stream = connection.makefile("rb")
    connection.sendall(bytes.fromhex(script(number, folder)["greeting"]) or frame("SETTINGS", 0, 0, b""))
    if stream.read(24) != b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
        return
    while len(head := stream.read(9)) == 9:
        length, kind, flags = int.from_bytes(head[:3], "big"), NAMES[head[3]], head[4]
        own = int.from_bytes(head[5:], "big")
        payload = stream.read(length)
        say(f"FRAME {number} {kind} length={length} flags={flags:#x} stream={own}")
        step = script(number, folder)
        if kind == "SETTINGS" and not flags & ACK:
            connection.sendall(frame("SETTINGS", ACK, 0, b""))
        if kind == "PING" and not flags & ACK:
            connection.sendall(frame("PING", ACK, 0, payload))
        if kind == "DATA" and length and step["grants"]:
            for which in (0, own):
                connection.sendall(frame("WINDOW_UPDATE", 0, which, struct.pack(">I", length)))
        if kind == "HEADERS" if step["early"] else kind in ("HEADERS", "DATA") and flags & END_STREAM:
            connection.sendall(addressed(bytes.fromhex(step["answer"]), own))
            say(f"ANSWERED {number}")
            if step["repeat"]:
                repeat(connection, step, own)
            if step["then"] == "end":
                return connection.unwrap()
            if step["then"] == "cut":
                # Not shutdown() of the TLS object, which would tell the client.
                return socket.socket.shutdown(connection, socket.SHUT_RDWR)


def serve_plain(number, connection, folder):
    stream = connection.makefile("rb")
    while line := stream.readline():
        length = 0
        say(f"PLAIN {number} {line.decode('latin-1').strip()}")
        while (line := stream.readline()).strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)
        connection.sendall(script(number, folder)["plain"].encode())


def handle(number, raw, context, folder):
    try:
        connection = context.wrap_socket(raw, server_side=True)
        protocol = connection.selected_alpn_protocol()
        say(f"CONNECTION {number} {protocol} resumed={connection.session_reused}")
        if protocol == "http/1.1":
            serve_plain(number, connection, folder)
        else:
            serve(number, connection, folder)
        say(f"ENDED {number}")
    except (OSError, ValueError) as error:
        say(f"ENDED {number} {error}")
    finally:
        raw.close()


def echo():
    for line in sys.stdin:
        say(line.strip())


def main():
    certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    say(f"PORT {listener.getsockname()[1]}.")
    threading.Thread(target=echo, daemon=True).start()
    number = 0
    while True:
        raw, _ = listener.accept()
        number += 1
        say(f"ACCEPTED {number}")
        both = script(number, os.path.dirname(certificate))["plain"]
        context.set_alpn_protocols(["h2", "http/1.1"] if both else ["h2"])
        threading.Thread(
            target=handle, args=(number, raw, context, os.path.dirname(certificate)), daemon=True).start()


main()
