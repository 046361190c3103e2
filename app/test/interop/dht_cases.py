# SPDX-License-Identifier: BSD-3-Clause
"""The relay as a node of the DHT among stock py-ipv8 nodes, which know nobody else at first."""

import contextlib
import os
import tempfile

from ipv8.dht.routing import NODE_STATUS_GOOD, Node
from ipv8.messaging.interfaces.udp.endpoint import UDPv4Address, UDPv6Address

from .net import free_ports, have_ipv6, until
from .peer import RELAY, Peer
from .runner import Skipped
from .world import make_relay


def node_at(key, ip, port):
    """As py-ipv8 knows a node: the class of its address says over which port it is asked."""
    return Node(key, (UDPv6Address if ":" in ip else UDPv4Address)(ip, port))


class DhtWorld:
    """Use as: async with DhtWorld("peel", 2) as world."""

    def __init__(self, relay, n_peers, binary=None, ip="127.0.0.1"):
        ports = free_ports(1 + n_peers)
        address = (ip, ports[0])
        self.nodes = "nodes_ipv6" if ":" in ip else "nodes_ipv4"
        self.relay = make_relay(relay, ports[0], (RELAY,), [], binary, name="relay", ip=ip)
        self.peers = [Peer(address[0], port, flags=(), walk_to=[address], name=f"peer {i + 1}")
                      for i, port in enumerate(ports[1:])]
        self.stack = contextlib.AsyncExitStack()

    async def __aenter__(self):
        try:
            for node in (self.relay, *self.peers):
                await node.start()
                self.stack.push_async_callback(node.stop)
            info = await self.relay.info()
            self.node = node_at(bytes.fromhex(info["key"]), info["ip"], info["port"])
            await until(self.settled, 30.0, "the relay and the others did not become nodes of each other")
        except BaseException:
            await self.stack.aclose()
            raise
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()

    async def settled(self):
        """Every peer has the relay in its routing table, and the relay has the peers."""
        for peer in self.peers:
            known = [node for table in peer.dht.routing_tables.values() for node in table.closest_nodes(self.node.id)]
            ours = [node for node in known if node.mid == self.node.mid]
            # It was put there by the relay's own ping, perhaps; whether it answers is another matter.
            if not ours or not await peer.dht.ping(ours[0]) or ours[0].status != NODE_STATUS_GOOD:
                return False
        return self.relay.kind != "peel" or (await self.count())[self.nodes] >= len(self.peers)

    async def count(self):
        """What a Peel relay says about its part in the DHT."""
        return (await self.relay.status())["dht"]

    async def ask(self, peer, target):
        """The values that the relay itself has under a key."""
        answer = await peer.dht._send_find_request(self.node, target, False)
        return answer and answer.get("values", [])


async def relay_is_found(world):
    """The relay has its own address stored by the others, and who looks for it is told."""
    first, second = world.peers

    async def stored():
        return (await world.count())["storers"] == 2

    await until(stored, 40.0, "nobody stores the address of the relay")
    node = node_at(first.dht.my_peer.public_key, first.ip, first.port)
    found = await second.dht.send_connect_peer_request(world.node.mid, [node])
    if [node.mid for node in found] != [world.node.mid]:
        raise AssertionError(f"told of {found} in place of the relay")


async def values(relay, _origin, binary, ip="127.0.0.1"):
    """What one node stores at the relay another one finds there: unsigned, signed, and its newest version."""
    async with DhtWorld(relay, 2, binary, ip) as world:
        first, second = world.peers
        plain, signed = os.urandom(20), os.urandom(20)
        if world.node not in await first.dht.store_value(plain, b"plain text"):
            raise AssertionError("the relay did not store a value")
        for text in (b"old", b"new"):
            if world.node not in await first.dht.store_value(signed, text, sign=True):
                raise AssertionError("the relay did not store a signed value")
        if await world.ask(second, plain) != [b"\0plain text"]:
            raise AssertionError(f"the relay has {await world.ask(second, plain)}")
        if len(await world.ask(second, signed)) != 1:
            raise AssertionError("the relay has two versions of a signed value")
        key = first.dht.my_peer.public_key.key_to_bin()
        for target, wanted in ((plain, (b"plain text", None)), (signed, (b"new", key))):
            found = await second.dht.find_values(target)
            if list(found) != [wanted]:
                raise AssertionError(f"found {found} in place of {wanted}")
        return str(await world.count()) if relay == "peel" else None


async def peers(relay, _origin, binary, ip="127.0.0.1"):
    """A node stores its address at the relay, and another one is told of it and let through."""
    async with DhtWorld(relay, 2, binary, ip) as world:
        first, second = world.peers
        mid = first.dht.my_peer.mid
        await first.dht.store_peer()
        if world.node not in first.dht.store_for_me[mid]:
            raise AssertionError("the relay did not store a peer")
        found = await second.dht.send_connect_peer_request(mid, [world.node])
        if [node.mid for node in found] != [mid]:
            raise AssertionError(f"told of {found}")
        if relay == "peel":
            await relay_is_found(world)
        return str(await world.count()) if relay == "peel" else None


async def remembered(_relay, _origin, binary):
    """A relay that starts again knows the nodes of its last run; with a file that is damaged it starts all the same."""
    (port, *ports) = free_ports(3)
    relay = make_relay("peel", port, (RELAY,), [], binary, name="relay")
    with tempfile.TemporaryDirectory(prefix="peel-test-") as folder:
        path = os.path.join(folder, "dht")
        relay.configure({"dht": {"state": path}, "discovery": {"public_address": f"127.0.0.1:{port}"}})
        peers = [Peer("127.0.0.1", p, flags=(), walk_to=[("127.0.0.1", port)]) for p in ports]

        async def known():
            return (await relay.status())["dht"]["nodes_ipv4"] >= len(peers)

        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(relay.stop)
            for node in (relay, *peers):
                await node.start()
            for peer in peers:
                stack.push_async_callback(peer.stop)
            await until(known, 30.0, "the others did not become nodes of the relay's")
            for peer in peers:
                peer.walk_to.clear()
            await relay.stop()
            await relay.start()
            # The peers ask after it on their own only every 25 s.
            await until(known, 10.0, "the relay did not remember its nodes")
            await relay.stop()
            size = os.path.getsize(path)
            with open(path, "r+b") as file:
                for at in range(30, size, 49152):
                    file.seek(at)
                    file.write(b"damaged")
            await relay.start()
            if (await relay.status())["dht"]["remembered"]:
                raise AssertionError("a damaged file was believed")
            return f"{size} bytes"


async def values_ipv6(relay, origin, binary):
    """The same over IPv6. (Stock nodes do not answer each other there: lib/dht/README.md.)"""
    if not have_ipv6():
        raise Skipped("no IPv6 here")
    return await values(relay, origin, binary, "::1")


async def peers_ipv6(relay, origin, binary):
    if not have_ipv6():
        raise Skipped("no IPv6 here")
    return await peers(relay, origin, binary, "::1")
