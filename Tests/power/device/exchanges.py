# SPDX-License-Identifier: Apache-2.0
"""The back end's endpoint for exchanges over HTTPS (Sources/PROTOCOL.md, HTTPS)."""

import collections
import http.server
import socket
import ssl
import threading
import time

import cbor2

# Bytes and messages of an answer at most, and what a message adds.
SIZE, COUNT, OVERHEAD = 65_536, 64, 32


class Exchanges(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder, take):
        """`take(identifier, leaf, message)`: a device said something; whether its back end knows that leaf."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.port, self.take = self.server_address[1], take
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
        self.context.load_verify_locations(folder / "ca.pem")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.changed = threading.Condition()
        # What waits for each device, with the mark that says that it was taken.
        self.queues, self.mark = collections.defaultdict(list), int(time.time() * 1000)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The handshake is for the thread of the connection.
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_):
        """Devices are killed."""

    def send(self, identifier, leaf, message):
        with self.changed:
            self.mark += 1
            self.queues[identifier].append((self.mark, leaf, message))
            self.changed.notify_all()

    def answer(self, identifier, wait, messages, mark):
        codes = [0 if self.take(identifier, leaf, message) else 0x90 for leaf, message in messages]
        with self.changed:
            self.queues[identifier] = [entry for entry in self.queues[identifier] if entry[0] > mark]
            if not messages:
                self.changed.wait_for(lambda: self.queues[identifier], wait)
            told, size = [], 1024
            for number, leaf, message in self.queues[identifier][:COUNT]:
                size += len(message) + OVERHEAD
                if size > SIZE:
                    break
                told.append([leaf, message])
                mark = number
        return [codes, told, mark]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        name = dict(pair[0] for pair in self.connection.getpeercert()["subject"])["commonName"]
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return
        if self.path != f"/martlet/v1/{name}/exchange":
            self.send_error(403)
            return
        answer = cbor2.dumps(self.server.answer(name, *cbor2.loads(body)))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/cbor\r\nContent-Length: {len(answer)}\r\n\r\n"
        self.wfile.write(head.encode() + answer)

    def log_message(self, *_):
        """Nothing."""
