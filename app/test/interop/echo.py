# SPDX-License-Identifier: BSD-3-Clause
"""The outside world of the tests: a UDP echo server and a DNS server that knows a few names.

Exits with the standard policy only let datagrams through that look like BitTorrent or IPv8
(protocol, "Policy, exact"). A bencoded dictionary "d...e" is the shape with the fewest demands: any
content, two bytes or more. A single byte passes no exit that keeps the policy.
"""

import asyncio
import random
import socket
import struct

_NOISE = random.Random(1).randbytes(1 << 16)


def payload(size, number, any_shape=False):
    """A datagram of `size` bytes, different for each number as far as its length permits."""
    start = number * 61 % (len(_NOISE) - 2048)
    if any_shape:
        return (struct.pack("!I", number) + _NOISE[start:start + size])[-size:] if size > 4 \
            else struct.pack("!I", number)[-size:]
    if size < 2:
        raise ValueError("the standard policy refuses one-byte datagrams")
    body = (struct.pack("!I", number) + _NOISE[start:start + size])[:size - 2]
    return b"d" + body + b"e"


class _Echo(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = 0
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        # A burst of answers must not be lost in a socket buffer: loss is what the tests look for.
        sock = transport.get_extra_info("socket")
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 4 << 20)

    def datagram_received(self, data, addr):
        self.received += 1
        self.transport.sendto(data, addr)


class EchoServer:
    """Echo on one port of an IPv4 address and, if given, of an IPv6 address."""

    def __init__(self):
        self.port = None
        self.protocols = []

    async def start(self, ip4="127.0.0.1", ip6=None, port=0):
        for tries_left in reversed(range(10)):
            try:
                await self._bind(ip4, ip6, port)
                break
            except OSError:  # others may have the port that is free for one address, at the other one
                self.close()
                self.protocols.clear()
                if port or not tries_left:
                    raise
        return self

    async def _bind(self, ip4, ip6, port):
        loop = asyncio.get_running_loop()
        _, first = await loop.create_datagram_endpoint(_Echo, local_addr=(ip4, port))
        self.port = first.transport.get_extra_info("sockname")[1]
        self.protocols.append(first)
        if ip6:
            _, second = await loop.create_datagram_endpoint(_Echo, local_addr=(ip6, self.port))
            self.protocols.append(second)

    @property
    def received(self):
        return sum(p.received for p in self.protocols)

    def close(self):
        for protocol in self.protocols:
            protocol.transport.close()


class DnsServer(asyncio.DatagramProtocol):
    """Answers A questions for the given names and says NXDOMAIN to every other name."""

    def __init__(self, names):
        self.names = {name.lower(): address for name, address in names.items()}
        self.questions = 0
        self.transport = None

    async def start(self, ip="127.0.0.1", port=0):
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(ip, port))
        return self

    @property
    def address(self):
        return self.transport.get_extra_info("sockname")[:2]

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        answer = self.answer(data)
        if answer:
            self.questions += 1
            self.transport.sendto(answer, addr)

    def answer(self, data):
        """One question in, the answer out; None for anything that is no plain query."""
        if len(data) < 17 or data[2] & 0x80 or data[4:6] != b"\x00\x01":
            return None
        labels, at = [], 12
        while at < len(data) and data[at]:
            if data[at] > 63:
                return None
            labels.append(data[at + 1:at + 1 + data[at]])
            at += 1 + data[at]
        question = data[12:at + 5]
        kind = data[at + 1:at + 3]
        name = b".".join(labels).decode("utf-8", "replace").lower()
        known = self.names.get(name)
        records = b""
        if known and kind == b"\x00\x01":
            records = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04" + socket.inet_aton(known)
        flags = 0x8180 if known else 0x8183
        return data[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records

    def close(self):
        self.transport.close()
