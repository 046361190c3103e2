# SPDX-License-Identifier: BSD-3-Clause
"""Stock py-ipv8 nodes that keep what reaches them, beside nodes with Peel as their endpoint."""

import asyncio
import os

from interop.world import World
from ipv8.messaging.interfaces.endpoint import EndpointListener

# "rust" shows which tests are of what Peel does better.
KIND = os.environ.get("PEEL_TEST_ENDPOINT", "peel-endpoint")
HEADER = 29  # prefix, 0, circuit id, plaintext flag, relay_early flag
CREATED, TEST_RESPONSE = 3, 20


class Cell:
    """What a listener on the wire sees of one."""

    def __init__(self, data):
        self.circuit_id = int.from_bytes(data[23:27], "big")
        self.plaintext, self.relay_early = data[27] != 0, data[28] != 0
        self.message = data[HEADER:]
        self.salt = int.from_bytes(self.message[:8], "big")


class Watch(EndpointListener):
    """The cells that reach a stock node, with the addresses they come from."""

    def __init__(self, peer):
        super().__init__(peer.ipv8.endpoint)
        self.prefix = peer.tunnels.get_prefix() + b"\0"
        self.cells = []
        peer.ipv8.endpoint.add_listener(self)

    def on_packet(self, packet):
        source, data = packet
        if data.startswith(self.prefix) and len(data) >= HEADER:
            self.cells.append((tuple(source[:2]), Cell(data)))

    def sealed_from(self, peer):
        """Of each circuit id, the cells that this node sealed."""
        circuits = {}
        for source, cell in self.cells:
            if source == (peer.ip, peer.port) and not cell.plaintext:
                circuits.setdefault(cell.circuit_id, []).append(cell)
        return circuits

    def plain_from(self, peer, number):
        return [cell for source, cell in self.cells
                if source == (peer.ip, peer.port) and cell.plaintext and cell.message[0] == number]


class Heard(EndpointListener):
    """All that a node's endpoint hands to py-ipv8."""

    def __init__(self, peer):
        super().__init__(peer.ipv8.endpoint)
        self.datagrams = []
        peer.ipv8.endpoint.add_listener(self)

    def on_packet(self, packet):
        self.datagrams.append(packet[1])


async def test_requests(peer, circuit, count=5):
    """One after the other, each answered by the last hop."""
    for _ in range(count):
        data, _ = await asyncio.wait_for(peer.tunnels.send_test_request(circuit, 100, 200), 10)
        if len(data) != 200:
            raise AssertionError(f"a test-response of {len(data)} bytes")


def talk_between_hops(peer):
    """From now on it says something to each last hop before it extends beyond it."""
    extend = peer.tunnels.send_extend

    def send_extend(circuit, *args):
        async def later():
            await test_requests(peer, circuit)
            extend(circuit, *args)

        peer.tunnels.register_anonymous_task("talk", asyncio.ensure_future(later()))

    peer.tunnels.send_extend = send_extend


def world(kinds, origin="python", **options):
    """Three relays and an originator. Hops have time to talk."""
    options.setdefault("origin_settings", {"next_hop_timeout": 20, "circuit_timeout": 60})
    return World(kinds, origin, **options)
