# SPDX-License-Identifier: Apache-2.0
"""A server that takes all that a device says over HTTPS, and says nothing: exchange.py WORK. Prints its port."""
import http.server
import ssl
import sys
import time

import jws


def unsigned(major, value):
    width = 0 if value < 24 else 1 if value < 1 << 8 else 2 if value < 1 << 16 else 4 if value < 1 << 32 else 8
    if width == 0:
        return bytes([major << 5 | value])
    return bytes([major << 5 | 23 + width.bit_length()]) + value.to_bytes(width, "big")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is one write.
    wbufsize = -1

    def do_POST(self):
        wait, messages, mark = jws.decode(self.rfile.read(int(self.headers["Content-Length"])))[0]
        if not messages:
            time.sleep(wait)
        answer = b"\x83" + unsigned(4, len(messages)) + bytes(len(messages)) + b"\x80" + unsigned(0, mark)
        self.send_response(200)
        self.send_header("Content-Type", "application/cbor")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def main():
    work = sys.argv[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{work}/localhost.pem", f"{work}/localhost.key")
    context.load_verify_locations(f"{work}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # In the connection's own thread, as whoever is slow would keep all others waiting.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_port, flush=True)
    server.serve_forever()


main()
