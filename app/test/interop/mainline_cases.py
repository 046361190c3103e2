# SPDX-License-Identifier: BSD-3-Clause
"""Hidden services that are found in BitTorrent's DHT alone: its nodes are libtorrent's, in the relays and beside them.
It knows addresses only; the exit asks the introduction point itself for its keys."""

import os
import re
import socket

from ipv8.messaging.anonymization.tunnel import PEER_SOURCE_DHT

from .hidden_cases import one_service
from .net import free_ports, until
from .origin.torrent import load
from .runner import Skipped, raises
from .service_cases import udp_programs
from .world import World


class Mainline:
    """Stock nodes of the DHT, the first of which all others begin with. One thread in all."""

    def __init__(self, n):
        self.lt = load()
        self.ports = free_ports(n)
        self.sessions = []

    def start(self):
        for port in self.ports:
            self.sessions.append(self.lt.session({
                "listen_interfaces": f"127.0.0.1:{port}", "enable_dht": True, "enable_lsd": False,
                "enable_upnp": False, "enable_natpmp": False, "dht_bootstrap_nodes": f"127.0.0.1:{self.ports[0]}",
                "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_block_ratelimit": 1000,
                "dht_ignore_dark_internet": False}))
        return self

    def announce(self, info_hash, port):
        """Say to every node that this host serves at `port` (BEP 5): ask for a token, then announce."""
        who = b"2:id20:" + os.urandom(20) + b"9:info_hash20:" + info_hash
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5.0)
            for node in self.ports:
                s.connect(("127.0.0.1", node))
                s.send(b"d1:ad" + who + b"e1:q9:get_peers1:t1:a1:y1:qe")
                token = re.search(rb"5:token(\d+):(.*)", s.recv(2048), re.DOTALL)
                token = token[1] + b":" + token[2][:int(token[1])]
                s.send(b"d1:ad%s4:porti%de5:token%se1:q13:announce_peer1:t1:b1:y1:qe" % (who, port, token))
                s.recv(2048)

    def close(self):
        self.sessions.clear()


class MainlineWorld(World):
    """Relays that ask no other DHT, and the stock nodes of that one."""

    def __init__(self, kinds, binary):
        super().__init__(kinds, "python", binary)
        self.dht = Mainline(3)
        self.dht_ports = free_ports(len(kinds))

    def overrides_of(self, i):
        return {"dht": {"provider": "mainline", "mainline_listen": f"127.0.0.1:{self.dht_ports[i]}",
                        "mainline_bootstrap": f"127.0.0.1:{self.dht.ports[0]}"}}

    async def _start(self):
        self.dht.start()
        await super()._start()

    async def close(self):
        await super().close()
        self.dht.close()

    async def announced(self, introduction, info_hash):
        """A Peel introduction point announces itself; for a stock one, which has no such DHT, a node of it does."""
        relay = self.relays[introduction]
        if relay.kind != "peel":
            self.dht.announce(info_hash, relay.port)
            return

        async def told():
            return (await relay.status())["hidden_services"]["announced"] > 0

        await until(told, 30.0, "the introduction point does not announce")


async def nothing_is_told(world):
    """What a service's own circuits look up is asked by their last hops: a node in between, or one that has no exits,
    asks nothing."""
    asked = [(await relay.status())["counters"]["hidden_asked"] if relay.kind == "peel" else 0
             for relay in world.relays]
    if any(asked[:-1]) or not asked[-1]:
        raise AssertionError(f"who asked for introduction points: {asked}")
    return f"asked by the exit alone: {asked}"


async def one_world(runner, binary, kinds, services):
    name = f"mainline DHT, {' '.join(kinds)}"
    try:
        if load() is None:
            raise Skipped("no libtorrent")
        async with MainlineWorld(kinds, binary) as world:
            await world.settle()
            for hops, introduction, rendezvous in services:
                await runner.case(
                    f"{name}: hidden service over {hops} hops, {introduction + 1} introduces, {rendezvous + 1} joins",
                    one_service, world, hops, introduction, rendezvous, PEER_SOURCE_DHT)
            if kinds[0] == "peel":
                await runner.case(f"{name}: peel service at both ends", udp_programs, world, binary, 1, timeout=200)
            await runner.case(f"{name}: who asks", nothing_is_told, world)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


def worlds(runner, relay, binary):
    if relay == "peel":
        yield one_world(runner, binary, ["peel", "peel", "peel"], [(1, 0, 1), (2, 1, 0)])
        yield one_world(runner, binary, ["python", "peel", "peel"], [(1, 0, 1)])
