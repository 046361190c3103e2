# SPDX-License-Identifier: BSD-3-Clause
"""A SOCKS5 UDP client: the way applications reach the circuits of a Rust endpoint."""

import asyncio
import ipaddress
import socket
import struct


class SocksUdp(asyncio.DatagramProtocol):
    """UDP ASSOCIATE on a local SOCKS5 server; datagrams in and out with their remote address."""

    def __init__(self):
        self.on_data = lambda origin, data: None
        self.transport = None
        self.writer = None
        self.relay = None

    async def open(self, port, ip="127.0.0.1"):
        reader, self.writer = await asyncio.open_connection(ip, port)
        self.writer.write(b"\x05\x01\x00")
        if await reader.readexactly(2) != b"\x05\x00":
            raise ConnectionError("the SOCKS server wants a password")
        self.writer.write(b"\x05\x03\x00\x01" + bytes(6))
        answer = await reader.readexactly(10)
        if answer[:2] != b"\x05\x00":
            raise ConnectionError("the SOCKS server refused UDP ASSOCIATE")
        self.relay = (ip, struct.unpack("!H", answer[8:])[0])
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(ip, 0))
        return self

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def send(self, host, port, data):
        try:
            address = ipaddress.ip_address(host)
            kind = b"\x01" if address.version == 4 else b"\x04"
            where = kind + address.packed
        except ValueError:
            name = host.encode()
            where = b"\x03" + bytes([len(name)]) + name
        self.transport.sendto(b"\x00\x00\x00" + where + struct.pack("!H", port) + data, self.relay)

    def datagram_received(self, data, addr):
        kind = data[3]
        if kind == 1:
            host, rest = str(ipaddress.IPv4Address(data[4:8])), data[8:]
        elif kind == 4:
            host, rest = str(ipaddress.IPv6Address(data[4:20])), data[20:]
        else:
            size = data[4]
            host, rest = data[5:5 + size].decode(), data[5 + size:]
        self.on_data((host, struct.unpack("!H", rest[:2])[0]), rest[2:])

    def close(self):
        if self.transport:
            self.transport.close()
        if self.writer:
            self.writer.close()
