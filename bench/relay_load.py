# SPDX-License-Identifier: BSD-3-Clause
"""The two ends of compare_relays: an originator that blasts sealed cells, and a next hop that counts them.

Both are py-ipv8 nodes until the circuit stands. Then the originator sends prepared cells through its own
socket, and the next hop stops handling datagrams and only counts, through its own socket as well.
"""

import asyncio
import mmap
import os
import socket
import struct
import threading
import time

from ipv8.messaging.anonymization.tunnel import FORWARD

from interop.peer import Peer

UDP_SEGMENT, UDP_GRO, SO_MEMINFO = 103, 104, 55
SEGMENT_BYTES, SEGMENT_COUNT = 65000, 64


def _own_socket(peer):
    """A second handle on the socket of a started py-ipv8 node, and its transport."""
    transport = peer.ipv8.endpoint.interfaces["UDPIPv4"]._transport
    return socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())), transport


class Sink(Peer):
    """The next hop. Its count is shared through a file, so that the sender can watch it."""

    def __init__(self, count_file, **options):
        super().__init__(**options)
        with open(count_file, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 8)
        self.running = False
        self.thread = None

    async def drain(self, on):
        """Count only (on), or be a node again (off)."""
        if on:
            self.sock, self.transport = _own_socket(self)
            # Datagram transports have no public way to pause; the distribution's Python is fixed at 3.11.
            self.loop = asyncio.get_running_loop()
            self.loop._remove_reader(self.transport._sock_fd)
            self.sock.settimeout(0.02)
            self.sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
            self.shared[:8] = bytes(8)
            self.running = True
            self.thread = threading.Thread(target=self._count)
            self.thread.start()
        else:
            self.running = False
            self.thread.join()
            self.sock.setsockopt(socket.SOL_UDP, UDP_GRO, 0)
            self.sock.setblocking(False)
            self.sock.close()
            self.loop._add_reader(self.transport._sock_fd, self.transport._read_ready)

    def _overflowed(self):
        """Datagrams that found this socket's buffer full: the relay did send them."""
        return struct.unpack("9I", self.sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))[8]

    def _count(self):
        buffer = bytearray(1 << 16)
        received, base = 0, self._overflowed()
        while self.running:
            try:
                size, ancillary, _, _ = self.sock.recvmsg_into([buffer], 64)
            except TimeoutError:
                size = 0
            if size > 200 or (size and not ancillary):
                segment = struct.unpack("i", ancillary[0][2][:4])[0] if ancillary else size
                received += -(-size // segment)
            self.shared[:8] = struct.pack("Q", received + self._overflowed() - base)


class Blaster(Peer):
    """The originator."""

    def __init__(self, count_file, **options):
        super().__init__(**options)
        with open(count_file, "r+b") as file:
            self.shared = mmap.mmap(file.fileno(), 8)
        self.cells = []

    async def prepare(self, circuit_id, payload, count):
        """Seal that many cells for the first hop; what is inside is for the next one, who never looks.

        Each has a nonce of its own: a relay may drop exact duplicates.
        """
        circuit = self.tunnels.circuits[circuit_id]
        header = self.tunnels.get_prefix() + struct.pack("!BIBB", 0, circuit_id, 0, 0)
        keys = circuit.hops[0].keys
        inner = os.urandom(1 + 7 + 7 + payload + 24)
        self.cells = [header + keys.encrypt_str(inner, FORWARD) for _ in range(count)]
        self.address = circuit.hop.address
        return len(self.cells[0])

    def _counted(self):
        return struct.unpack("Q", self.shared[:8])[0]

    async def blast(self, coalesced, burst):
        """Send the prepared cells in bursts; after each, wait until the next hop's count stands still.

        Gives (cells sent, cells that came out of the relay, seconds).
        """
        sock, _ = _own_socket(self)
        sock.setblocking(True)
        send = self._send_coalesced if coalesced else self._send_alone
        start = time.monotonic()
        for at in range(0, len(self.cells), burst):
            part = self.cells[at:at + burst]
            target = self._counted() + len(part)
            send(sock, part)
            seen, since = self._counted(), time.monotonic()
            while seen < target and time.monotonic() - since < 0.005:
                time.sleep(0.0002)
                now = self._counted()
                if now != seen:
                    seen, since = now, time.monotonic()
        seconds = time.monotonic() - start
        time.sleep(0.05)
        sock.setblocking(False)
        sock.close()
        return len(self.cells), self._counted(), seconds

    def _send_alone(self, sock, cells):
        for cell in cells:
            sock.sendto(cell, self.address)

    def _send_coalesced(self, sock, cells):
        """The kernel splits one large datagram into cells, or hands it on whole (UDP_SEGMENT)."""
        size = len(cells[0])
        group = min(SEGMENT_COUNT, SEGMENT_BYTES // size)
        control = [(socket.SOL_UDP, UDP_SEGMENT, struct.pack("H", size))]
        for at in range(0, len(cells), group):
            sock.sendmsg(cells[at:at + group], control, 0, self.address)
