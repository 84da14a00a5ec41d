# SPDX-License-Identifier: Apache-2.0
"""An API gateway of another kind, which loses answers: edge.py SERVER.pem SERVER.key EDGE.pem EDGE.key CA ENDPOINT-PORT DIR

Prints its port. It passes on exchanges as Samples/api-gateway does, and stores each request in DIR. While there is a
file DIR/lose, it makes exchanges with messages and keeps the answers for itself; it prints a line for each.
"""

import http.client
import itertools
import pathlib
import ssl
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

server_pem, server_key, edge_pem, edge_key, authority, port, folder = sys.argv[1:]
folder = pathlib.Path(folder)
upstream = ssl.create_default_context(cafile=authority)
upstream.load_cert_chain(edge_pem, edge_key)
numbers = itertools.count(1)
# Longer than one without messages.
EMPTY = 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        (folder / f"{next(numbers)}.exchange").write_bytes(body)
        pem = ssl.DER_cert_to_PEM_cert(self.connection.getpeercert(True))
        far = http.client.HTTPSConnection("localhost", int(port), context=upstream, timeout=75)
        headers = {
            "Content-Type": self.headers["Content-Type"],
            "Martlet-Client-Certificate": urllib.parse.quote(pem),
        }
        far.request("POST", self.path, body, headers)
        answer = far.getresponse()
        content = answer.read()
        far.close()
        if (folder / "lose").exists() and (len(body) > EMPTY or len(content) > EMPTY):
            print(f"lost {len(body)} {len(content)}", flush=True)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name in ("Content-Type", "Retry-After"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(server_pem, server_key)
context.load_verify_locations(authority)
context.verify_mode = ssl.CERT_REQUIRED
server = Server(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(f"port {server.server_address[1]}", flush=True)
server.serve_forever()
