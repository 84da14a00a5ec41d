# SPDX-License-Identifier: Apache-2.0
"""An MQTT relay between a device and its broker, with TLS to both, that loses and changes redeliveries.

    relay.py SERVER-CERT SERVER-KEY ANCHORS CLIENT-CERT CLIENT-KEY BROKER-PORT

It says `port N`, and then, for each command that it passes, `command dup=D id=N as dup=D id=N`. Lines of its input;
it says `done LINE` once one is in force:

    acks on|off             whether the device's PUBACKs of commands pass
    as DUP same|new         the DUP flag of commands from now on, and whether they keep their packet id
    as is
    begin N                 publishes N bytes with QoS 2 in the device's name, and leaves that unfinished
    finish                  ends that, on the newest connection
    cut                     ends all connections
"""

import asyncio
import ssl
import sys

server_files, (anchors, *client_files), broker = sys.argv[1:3], sys.argv[3:6], int(sys.argv[6])
passes_acks, dup, is_new, writers, newest = True, None, False, set(), None
NEW = 30_000  # Added to the packet id of a command that gets a new one.
UNFINISHED = b"\xff\xff"  # The packet id of what `begin` publishes: the device is far from it.


def say(line):
    print(line, flush=True)


async def packet(reader):
    """One whole packet, as its first byte and what follows the length."""
    first = (await reader.readexactly(1))[0]
    length, shift = 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first, await reader.readexactly(length)


def encode(first, body):
    length, head = len(body), [first]
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


async def down(reader, writer, commands):
    while True:
        first, body = await packet(reader)
        topic_end = 2 + int.from_bytes(body[:2], "big")
        if first >> 4 == 3 and first & 6 == 2 and body[2:topic_end].endswith(b"/command"):
            flag, id = first >> 3 & 1, int.from_bytes(body[topic_end : topic_end + 2], "big")
            own = id + NEW if is_new else id
            own_flag = flag if dup is None else dup
            first = first & ~8 | own_flag << 3
            body = body[:topic_end] + own.to_bytes(2, "big") + body[topic_end + 2 :]
            commands[own] = id
            say(f"command dup={flag} id={id} as dup={own_flag} id={own}")
        # PUBREC and PUBCOMP: the device itself publishes nothing with QoS 2.
        if first >> 4 not in (5, 7):
            writer.write(encode(first, body))


async def up(reader, writer, commands):
    while True:
        first, body = await packet(reader)
        if first >> 4 == 4 and (id := commands.get(int.from_bytes(body[:2], "big"))):
            if not passes_acks:
                continue
            body = id.to_bytes(2, "big") + body[2:]
        writer.write(encode(first, body))


async def serve(reader, writer):
    global newest
    context = ssl.create_default_context(cafile=anchors)
    context.load_cert_chain(*client_files)
    other, commands = None, {}
    try:
        far, other = await asyncio.open_connection("localhost", broker, ssl=context)
        writers.update((writer, other))
        newest = other
        pumps = [asyncio.create_task(down(far, writer, commands)), asyncio.create_task(up(reader, other, commands))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
    except OSError:
        pass
    for each in (writer, other):
        if each:
            writers.discard(each)
            each.transport.abort()


async def main():
    global passes_acks, dup, is_new
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server_files)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    say(f"port {server.sockets[0].getsockname()[1]}")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ["acks", state]:
                passes_acks = state == "on"
            case ["as", "is"]:
                dup, is_new = None, False
            case ["as", flag, id]:
                dup, is_new = int(flag), id == "new"
            case ["begin", size]:
                newest.write(encode(0x34, b"\x00\x0aunfinished" + UNFINISHED + b"\x00" + bytes(int(size))))
            case ["finish"]:
                newest.write(encode(0x62, UNFINISHED))
            case ["cut"]:
                for writer in list(writers):
                    writer.transport.abort()
        say("done " + line.strip())


asyncio.run(main())
