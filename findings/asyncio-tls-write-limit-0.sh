#!/bin/bash
# asyncio and uvloop: a write buffer limit of 0 on a TLS transport pauses the writer for ever.
#
# The documentation of set_write_buffer_limits says that with a high limit of 0 pause_writing() is called whenever the
# buffer becomes non-empty, so a protocol may use it to learn when the last octet has left. On a plain TCP transport it is
# so. A TLS transport compares "size >= high", and looks only when something is read or written: the buffer is empty, all
# octets have arrived, and pause_writing() is called all the same; the next look calls resume_writing(), the one after that
# pause_writing() again. Whoever waits for resume_writing() before saying more, while the other side waits to be told more,
# waits for ever. With a limit of 1 both kinds of transport do what one expects.
#
# Seen with CPython 3.11.7 (asyncio) and uvloop 0.22.1, TLS 1.3 on loopback, no session tickets: behind a message and its
# echo one more octet leaves the writer paused for good with 0 octets to write. Fails if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.22.1 trustme==1.2.1
cat >"$folder/see.py" <<'PYTHON'
import asyncio
import ssl
import sys

import trustme
import uvloop

AUTHORITY = trustme.CA()
SERVER = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
AUTHORITY.issue_cert("localhost").configure_cert(SERVER)
SERVER.num_tickets = 0
CLIENT = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT)


class Writer(asyncio.Protocol):
    def __init__(self):
        self.calls = []
        self.echo = asyncio.Event()

    def data_received(self, data):
        self.echo.set()

    def pause_writing(self):
        self.calls.append("pause")

    def resume_writing(self):
        self.calls.append("resume")


async def see(secure, high):
    """What a writer has been told half a second after its last octet has arrived, and what is still to be written."""
    arrived = asyncio.Event()

    async def take(reader, writer):
        writer.write(await reader.readexactly(1))
        await reader.readexactly(1)
        arrived.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=SERVER if secure else None)
    port = server.sockets[0].getsockname()[1]
    options = {"ssl": CLIENT, "server_hostname": "localhost"} if secure else {}
    transport, protocol = await asyncio.get_running_loop().create_connection(Writer, "127.0.0.1", port, **options)
    transport.set_write_buffer_limits(high=high)
    transport.write(b"x")
    await asyncio.wait_for(protocol.echo.wait(), 5)
    transport.write(b"y")
    await asyncio.wait_for(arrived.wait(), 5)
    await asyncio.sleep(0.5)
    found = protocol.calls, transport.get_write_buffer_size()
    transport.close()
    server.close()
    await asyncio.sleep(0.1)
    return found


seen = {}
for name, factory in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop)):
    for secure in (False, True):
        for high in (0, 1):
            with asyncio.Runner(loop_factory=factory) as runner:
                calls, left = runner.run(see(secure, high))
            case = f"{name}, {'TLS' if secure else 'plain'}, limit {high}"
            seen[case] = (calls.count("pause") - calls.count("resume"), left)
            print(f"{case}: {' '.join(calls) or 'nothing'}; {left} octets left to write")

expected = {case: (1 if "TLS, limit 0" in case else 0, 0) for case in seen}
sys.exit(0 if seen == expected else f"changed: {seen}")
PYTHON
timeout 60 "$folder/venv/bin/python" "$folder/see.py"
