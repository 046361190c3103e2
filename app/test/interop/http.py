# SPDX-License-Identifier: BSD-3-Clause
"""HTTP requests over circuits (messages 28 and 29): a tracker with all kinds of answers, and who asks it.

py-ipv8 does not know these messages; as an originator it can carry them all the same.
"""

import asyncio
import ipaddress
import random
import struct

from ipv8.messaging.anonymization.payload import CellablePayload

PARTS_MAX = 47


class HttpRequest(CellablePayload):
    msg_id = 28
    names = ["circuit_id", "body"]
    format_list = ["I", "raw"]


class HttpResponse(HttpRequest):
    msg_id = 29


def get(path, host="tracker.test"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\n\r\n".encode()


def _address(host, port):
    try:
        ip = ipaddress.ip_address(host)
        where = (b"\x01" if ip.version == 4 else b"\x03") + ip.packed
    except ValueError:
        where = b"\x02" + struct.pack("!H", len(host)) + host.encode()
    return where + struct.pack("!H", port)


class HttpClient:
    """Asks over circuits of a py-ipv8 node (Peer) with py-ipv8's own data plane."""

    def __init__(self, peer):
        self.tunnels = peer.tunnels
        self.waiting = {}
        self.tunnels.add_cell_handler(HttpResponse, self._on_response)

    def _on_response(self, _source, data, circuit_id):
        identifier, part, total, size = struct.unpack_from("!IHHH", data, 23 + 4)
        payload = data[23 + 4 + 10:]
        if len(payload) != size or not part < total <= PARTS_MAX:
            raise ValueError("bad http-response")
        future, parts = self.waiting[circuit_id, identifier]
        parts[part] = payload
        if len(parts) == total and not future.done():
            future.set_result(b"".join(parts[i] for i in range(total)))

    async def ask(self, circuit_id, host, port, request, timeout=6.0):
        """The raw answer, or None when there is none in time."""
        key = circuit_id, random.getrandbits(32)
        future = asyncio.get_running_loop().create_future()
        self.waiting[key] = future, {}
        body = struct.pack("!I", key[1]) + _address(host, port) + struct.pack("!H", len(request)) + request
        self.tunnels.send_cell(self.tunnels.circuits[circuit_id].hop.address, HttpRequest(circuit_id, body))
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return None
        finally:
            del self.waiting[key]


async def ask_socks(port, host, target_port, request, timeout=6.0):
    """The same through the SOCKS5 server of a Rust endpoint: CONNECT carries one request."""
    async def talk():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"\x05\x01\x00")
            await reader.readexactly(2)
            name = host.encode()
            writer.write(b"\x05\x01\x00\x03" + bytes([len(name)]) + name + struct.pack("!H", target_port))
            answer = await reader.readexactly(10)
            if answer[1]:
                raise ConnectionError("the SOCKS server refused CONNECT")
            writer.write(request)
            return await reader.read(1 << 20) or None
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(talk(), timeout)
    except (TimeoutError, asyncio.IncompleteReadError):
        return None


def _bencoded(size):
    body = b"d5:peers%d:" % size
    return body + random.Random(size).randbytes(size) + b"e"


def _with_length(body, status="200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body)) + body


def _chunked(body, step=100):
    out = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for at in range(0, len(body), step):
        piece = body[at:at + step]
        out += b"%x\r\n" % len(piece) + piece + b"\r\n"
    return out + b"0\r\n\r\n"


# What the tracker says at each path, and whether it may go back to the circuit.
ANSWERS = {
    "/length": (_with_length(b"d8:intervali1800e5:peers6:abcdefe"), True),
    "/error": (_with_length(b"d14:failure reason3:whye", "404 Not Found"), True),
    "/chunked": (_chunked(_bencoded(5000)), True),
    "/close": (b"HTTP/1.0 200 OK\r\n\r\n" + _bencoded(300), True),
    "/newline": (_with_length(b"d8:intervali1800ee\n"), True),
    "/redirect": (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /length\r\nContent-Length: 0\r\n\r\n", True),
    "/large": (_with_length(_bencoded(65000)), True),
    "/page": (_with_length(b"<html></html>"), False),
    "/moved": (_with_length(b"gone", "302 Found"), False),
    "/huge": (_with_length(_bencoded(70000)), False),
    "/half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nd5:peers", False),
    "/rubbish": (b"220 mail.test ESMTP\r\n", False),
    "/slow": (_with_length(b"de"), False),  # six seconds later
    "/drip": (_with_length(b"5:hello" + b"x" * 20), False),  # a byte now and then
    "/wait": (_with_length(b"de"), True),  # one second later
}


class Tracker:
    """An HTTP server on loopback. Counts connections, and how many there are at a time."""

    def __init__(self):
        self.server = None
        self.port = 0
        self.requests = self.now = self.most = 0

    async def start(self, ip="127.0.0.1"):
        self.server = await asyncio.start_server(self._serve, ip, 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        self.requests += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split()[1].decode()
            answer = ANSWERS[path][0]
            if path in ("/slow", "/wait"):
                await asyncio.sleep(6 if path == "/slow" else 1)
            step = 1 if path == "/drip" else 7000
            for at in range(0, len(answer), step):
                writer.write(answer[at:at + step])
                await writer.drain()
                await asyncio.sleep(0.25 if path == "/drip" else 0.001)
            # Only these end by the connection's end; the others are left to who asked.
            if path not in ("/close", "/half"):
                await asyncio.wait_for(reader.read(), 10)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.now -= 1
            writer.close()

    def close(self):
        self.server.close()
