# SPDX-License-Identifier: BSD-3-Clause
"""A node of the overlay: relay, exit, and at will a client with SOCKS traffic and hidden services."""

import asyncio
import logging
import os
import random
import struct
import time
from collections import defaultdict

from ipv8.messaging.anonymization.tunnel import (
    CIRCUIT_ID_PORT,
    CIRCUIT_STATE_CLOSING,
    CIRCUIT_STATE_READY,
    CIRCUIT_TYPE_DATA,
    CIRCUIT_TYPE_IP_SEEDER,
)

from ..echo import payload
from ..net import until
from ..overlay import SteeredTunnels
from ..peer import Peer
from ..socks import SocksUdp
from ..world import EXIT_FLAGS

CIRCUITS = 3  # of each length
SETTINGS = {"min_circuits": CIRCUITS, "max_circuits": CIRCUITS, "max_joined_circuits": 1000, "swarm_lookup_interval": 5}
LIMIT_S = 10  # what is not answered until then is lost
SMALLEST, LARGEST = 30, 1200  # bytes of a request
LOOK_S = 2.0
POINTS = 2  # introduction points of a service


class ShuffledTunnels(SteeredTunnels):
    """Candidates in any order. In the order in which it met them, a node offers its first four to all circuits, and
    few mixes of kinds come about."""

    def get_candidates(self, *requested_flags):
        candidates = super().get_candidates(*requested_flags)
        return random.sample(candidates, len(candidates))


def short(peer):
    """How a node is named in paths."""
    return peer.mid.hex()[:12]


class Requests:
    """Numbered datagrams to one destination, and which of them came back."""

    def __init__(self, tally, what):
        self.tally, self.what = tally, what
        self.way, self.seen = "", 0  # the hops of the circuit, when they were looked up
        self.number, self.waiting = 0, {}

    def next(self):
        """Another request; what has waited too long is lost."""
        now = time.monotonic()
        for number, (sent, way, _) in list(self.waiting.items()):
            if now - sent <= LIMIT_S:
                break
            del self.waiting[number]
            self.tally.lost(self.what, way, sent)
        self.number += 1
        data = payload(random.randint(SMALLEST, LARGEST), self.number)
        self.waiting[self.number] = [now, self.way, data]
        return data

    def on_way(self, way):
        """What is known of it now. If it changed, nobody knows which way the latest requests went."""
        if way != self.way:
            for request in self.waiting.values():
                if request[0] > self.seen:
                    request[1] = ""
        self.way, self.seen = way, time.monotonic()

    def on_data(self, data):
        number = struct.unpack_from("!I", data, 1)[0] if len(data) >= SMALLEST else 0
        sent, way, expected = self.waiting.get(number, (0, None, None))
        if data != expected:
            self.tally.odd += number > self.number or number == 0
            return
        del self.waiting[number]
        self.tally.answered(self.what, way, sent)


class Tally:
    """Answered and lost requests by what they were, which way they went, and the minute in which they were sent."""

    def __init__(self):
        self.odd = 0  # answers to nothing that was asked
        self.clear()

    def clear(self):
        self.counts, self.losses = defaultdict(int), []

    def answered(self, what, path, sent):
        self.counts[(what, path, int(sent // 60))] += 1

    def lost(self, what, path, sent):
        self.losses.append((what, path, sent))

    def take(self):
        """Since the last time."""
        counts = [[*key, count] for key, count in self.counts.items()]
        losses, odd = self.losses, self.odd
        self.clear()
        self.odd = 0
        return {"answered": counts, "lost": losses, "odd": odd}


class Inhabitant(Peer):
    tunnels_class = ShuffledTunnels

    def __init__(self, port, kind, name, output):
        # A Rust exit sends to loopback only when it is bound to loopback itself.
        super().__init__("127.0.0.1", port, flags=EXIT_FLAGS, endpoint=kind, settings=SETTINGS,
                         exit_ip="::" if kind == "rust" else "0.0.0.0", name=name)
        self.tally = Tally()
        self.tasks, self.udp, self.services = [], [], {}
        self.servers = {}  # hops: port
        self.flows = {}  # port of a destination: its requests
        self.output = output

    async def start(self):
        # Garbage makes py-ipv8 and the stock endpoint write pages.
        with open(self.output, "ab", buffering=0) as out:
            os.dup2(out.fileno(), 2)
        await super().start()
        logging.getLogger().setLevel(logging.CRITICAL)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        self.endpoint = self.tunnels.endpoint
        return self

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        for udp in self.udp:
            udp.close()
        await super().stop()

    async def _association(self, hops):
        if hops not in self.servers:
            self.servers[hops] = self.endpoint.create_socks5_server(0, hops)
        self.udp.append(udp := await SocksUdp().open(self.servers[hops]))
        return udp

    def _run(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))

    async def take(self):
        return self.tally.take()

    async def meet(self, addresses):
        """Walk to these until they are known: nodes with one loopback address do not introduce each other."""
        self.walk_to = [tuple(address) for address in addresses]

    async def known(self):
        """How many others are candidates."""
        return len(await self.candidates())

    # SOCKS

    async def browse(self, lengths, ports, interval, rotation):
        """From now on, echo through circuits of each length, to `ports`, of which each length has its own."""
        for hops in lengths:
            self.tunnels.build_tunnels(hops)
            self._run(self._use(hops, ports[str(hops)], interval))
        self._run(self._rotate(rotation))
        self._run(self._look())

    async def _look(self):
        """Which flow goes through which circuit. Rarely: calls are what some endpoints stand still over."""
        while True:
            ways = {}
            for circuit in self.tunnels.find_circuits():
                for _, port in self.endpoint.get_peers_for_circuit(circuit.circuit_id):
                    ways[port] = " ".join(short(hop.peer) for hop in circuit.hops)
            for port, requests in self.flows.items():
                requests.on_way(ways.get(port, ""))
            await asyncio.sleep(LOOK_S)

    async def _use(self, hops, ports, interval):
        await until(lambda: self.tunnels.find_circuits(hops=hops), float("inf"), "")
        udp = await self._association(hops)
        flows = {port: Requests(self.tally, "socks") for port in ports}
        self.flows |= flows
        udp.on_data = lambda origin, data: flows[origin[1]].on_data(data) if origin[1] in flows else None
        while True:
            for port, requests in flows.items():
                udp.send("127.0.0.1", port, requests.next())
                await asyncio.sleep(interval / len(ports))

    async def _rotate(self, interval):
        """Circuits end because they are old, as py-ipv8 does it, but earlier."""
        while True:
            await asyncio.sleep(interval)
            ready = self.tunnels.find_circuits()
            if len(ready) >= CIRCUITS:
                oldest = min(ready, key=lambda circuit: circuit.creation_time)
                self.tunnels.remove_circuit(oldest.circuit_id, "too old")

    # Hidden services

    async def seed(self, service, hops, hello):
        """What visitors send is sent back. `hello`: a port that echoes, as the server learns from the first datagram where
        those for this association go."""
        info_hash = bytes.fromhex(service)
        udp = await self._association(hops)

        def echo(origin, data):
            if origin[1] == CIRCUIT_ID_PORT:
                udp.send(*origin, data)

        udp.on_data = echo
        udp.send("127.0.0.1", hello, payload(SMALLEST, 1))
        self.tunnels.join_swarm(info_hash, hops)
        self._run(self._introduce(info_hash))

    async def _introduce(self, info_hash):
        while True:
            points = [c for c in self.tunnels.circuits.values()
                      if c.ctype == CIRCUIT_TYPE_IP_SEEDER and c.info_hash == info_hash and c.state != CIRCUIT_STATE_CLOSING]
            if len(points) < POINTS:
                self.tunnels.register_anonymous_task("introduce", self.tunnels.create_introduction_point, info_hash)
            await asyncio.sleep(5)

    async def visit(self, service, hops, what, interval):
        """Echo through each end-to-end circuit to the service; `what` names it in the tally."""
        info_hash = bytes.fromhex(service)
        udp = await self._association(hops)
        ends = {}
        udp.on_data = lambda origin, data: ends[origin].on_data(data) if origin in ends else None

        def connected(address):
            ends[tuple(address)] = Requests(self.tally, what)

        self.tunnels.join_swarm(info_hash, hops, seeding=False, callback=connected)
        self._run(self._talk(udp, ends, interval))

    async def _talk(self, udp, ends, interval):
        closed = {}
        while True:
            await asyncio.sleep(interval)
            now = time.monotonic()
            for address, requests in list(ends.items()):
                circuit = self.tunnels.circuits.get(self.tunnels.ip_to_circuit_id(address[0]))
                if circuit and circuit.state == CIRCUIT_STATE_READY:
                    udp.send(*address, requests.next())
                elif now - closed.setdefault(address, now) > 2 * LIMIT_S:
                    for sent, way, _ in requests.waiting.values():
                        self.tally.lost(requests.what, way, sent)
                    del ends[address], closed[address]

    async def state(self):
        """What it has of its own, and for others."""
        circuits = list(self.tunnels.circuits.values())
        return {**await self.tables(), "ready": len(self.tunnels.find_circuits(ctype=CIRCUIT_TYPE_DATA)),
                "end to end": sum(1 for c in circuits if c.e2e), "peers": len(self.tunnels.get_peers()),
                "socket": list(self.endpoint.rust_ep.get_socket_statistics())}
