# SPDX-License-Identifier: BSD-3-Clause
"""Hidden services of stock py-ipv8 nodes, with the relay under test as introduction point, rendezvous point,
exit and relay."""

import asyncio
import os

from ipv8.messaging.anonymization.tunnel import (
    CIRCUIT_TYPE_RP_SEEDER,
    PEER_SOURCE_DHT,
    PEER_SOURCE_PEX,
    IntroductionPoint,
)
from ipv8.peer import Peer as Ipv8Peer

from .client import EchoClient
from .net import free_ports, own_address, until
from .peer import Peer
from .runner import raises
from .scenarios import complete
from .world import World


class Service(Peer):
    """One end of a hidden service: says who shall be its rendezvous point, which is its own choice."""

    async def start(self):
        await super().start()
        self.rendezvous = None
        self.sizes = []
        choose = self.tunnels.create_circuit_for_infohash

        def chosen(info_hash, ctype, exit_flags=None, required_exit=None):
            if ctype == CIRCUIT_TYPE_RP_SEEDER and self.rendezvous:
                required_exit = self._peer(self.rendezvous)
            return choose(info_hash, ctype, exit_flags, required_exit)

        self.tunnels.create_circuit_for_infohash = chosen
        return self

    async def seed(self, info_hash, hops, introduction, rendezvous):
        """Become reachable through `introduction`; the seeder key. What comes is sent back."""
        self.rendezvous = rendezvous
        deliver = self.tunnels.on_raw_data

        def echo(circuit, origin, data):
            if circuit.ctype != CIRCUIT_TYPE_RP_SEEDER:
                return deliver(circuit, origin, data)
            self.sizes.append(len(data))
            return self.tunnels.send_data(circuit.hop.address, circuit.circuit_id, ("0.0.0.0", 1024),
                                          ("0.0.0.0", 0), data)

        self.tunnels.on_raw_data = echo
        self.tunnels.join_swarm(info_hash, hops)
        await self.tunnels.create_introduction_point(info_hash, self._peer(introduction))
        return self.tunnels.swarms[info_hash].seeder_sk.pub().key_to_bin()

    def point(self, introduction, seeder_key=b""):
        """A relay as introduction point."""
        peer = self._peer(introduction)
        return IntroductionPoint(Ipv8Peer(peer.public_key, peer.address), seeder_key)

    async def find(self, info_hash, hops, target, timeout=30.0):
        """The introduction points that this one tells of when it is asked through a circuit; with None, those
        that the end of a circuit finds in the DHT."""
        found = []

        async def asked():
            try:
                found[:] = await asyncio.wait_for(
                    self.tunnels.send_peers_request(info_hash, target, hops), 3.0)
            except (RuntimeError, TimeoutError):  # no circuit yet, or no answer
                pass
            if not found:
                await asyncio.sleep(0.5)
            return found

        await until(asked, timeout, "nobody told of a seeder")
        return found

    async def connect(self, info_hash, point, timeout=40.0):
        """The id of an end-to-end circuit to a seeder that is introduced there."""
        connected = []

        async def tried():
            if not connected and self.tunnels.select_circuit_for_infohash(info_hash):
                self.tunnels.create_e2e(info_hash, point)
                await asyncio.sleep(2.0)
            return connected

        self.tunnels.e2e_callbacks[info_hash] = lambda address: connected.append(address[0])
        await until(tried, timeout, "no end-to-end circuit")
        return self.tunnels.ip_to_circuit_id(connected[0])

    async def exchange(self, circuit_id, sizes):
        circuit = self.tunnels.circuits[circuit_id]
        client = EchoClient(lambda data: self.tunnels.send_data(
            circuit.hop.address, circuit_id, ("0.0.0.0", 1024), ("0.0.0.0", 0), data), None)
        self.tunnels.on_circuit_data[circuit_id] = client.on_data
        return await client.run(sizes, 16, 20.0, True, 0)


async def announced(relay):
    """Wait until other nodes of the DHT store what a Peel relay introduces."""
    async def stored():
        status = await relay.status()
        return status["hidden_services"]["announced"] > 0 and status["dht"]["published"] > 0

    await until(stored, 30.0, "the introduction point does not announce")


async def find(world, downloader, info_hash, hops, introduction, key, source):
    """The introduction point of the seeder with that key, as the introduction point itself or the DHT tells."""
    wanted = downloader.point(world.keys[introduction], key)
    is_peel = world.relays[introduction].kind == "peel"
    if source == PEER_SOURCE_DHT:
        if hasattr(world, "announced"):
            await world.announced(introduction, info_hash)
        elif is_peel:
            await announced(world.relays[introduction])
        found = await downloader.find(info_hash, hops, None, 60.0)
    elif is_peel:
        found = await downloader.find(info_hash, hops, downloader.point(world.keys[introduction]))
    else:
        return wanted
    if found != [wanted] or found[0].peer.address != wanted.peer.address or found[0].source != source:
        raise AssertionError(f"told of others: {[point.to_dict() for point in found]}")
    return found[0]


async def one_service(world, hops, introduction, rendezvous, source=PEER_SOURCE_PEX):
    """Through the relays with these numbers: found, connected, data both ways, and the end seen by all."""
    ports = free_ports(2, world.ip)
    walk_to = [(relay.ip, relay.port) for relay in world.relays]
    info_hash = os.urandom(20)
    ends = [Service(world.ip, port, flags=(), walk_to=walk_to, settings={"max_circuits": 0})
            for port in ports]
    seeder, downloader = ends
    try:
        for end in ends:
            await end.start()

        async def known():
            lists = [await end.candidates() for end in ends]
            return all(set(world.keys) <= set(known) for known in lists)

        await until(known, 30.0, "the relays are no candidates")
        keys = world.keys
        key = await seeder.seed(info_hash, hops, keys[introduction], keys[rendezvous])
        downloader.tunnels.join_swarm(info_hash, hops, seeding=False)
        point = await find(world, downloader, info_hash, hops, introduction, key, source)
        circuit = await downloader.connect(info_hash, point)
        if world.relays[rendezvous].kind == "peel":
            status = await world.relays[rendezvous].status()
            if status["circuits"]["rendezvous"] < 2:
                raise AssertionError(f"not joined: {status['circuits']}")
        complete(await downloader.exchange(circuit, [1, 2, 20, 100, 500, 999, 1200, 1300] * 4))
        if sorted(set(seeder.sizes)) != [1, 2, 20, 100, 500, 999, 1200, 1300]:
            raise AssertionError(f"the seeder got other sizes: {sorted(set(seeder.sizes))}")
        # The downloader leaves: the seeder's circuit ends with its own.
        circuits = {c for c, v in seeder.tunnels.circuits.items() if v.ctype == CIRCUIT_TYPE_RP_SEEDER}
        downloader.tunnels.leave_swarm(info_hash)

        async def ended():
            return not circuits & set(seeder.tunnels.circuits)

        await until(ended, 20.0, "the seeder's end outlived the downloader's")
    finally:
        for end in ends:
            await end.stop()


async def both_known(world, downloader, info_hash, hops, asked, wanted):
    """Ask an introduction point until it tells of all those that are wanted."""
    told = []

    async def known():
        told[:] = await downloader.find(info_hash, hops, downloader.point(world.keys[asked]))
        return all(one in told for one in wanted)

    try:
        await until(known, 40.0, "not told of both")
    except TimeoutError:
        raise TimeoutError(f"{asked + 1} tells of {[point.to_dict() for point in told]}") from None
    for point in told:
        address = world.relays[[one.seeder_pk for one in wanted].index(point.seeder_pk)]
        if point.source != PEER_SOURCE_PEX or point.peer.address != (address.ip, address.port):
            raise AssertionError(f"told of {point.to_dict()}")
    return told


async def two_seeders(world, hops, rendezvous):
    """Two seeders of one info hash at the first and the second relay, which tell of each other's."""
    ports = free_ports(3, world.ip)
    walk_to = [(relay.ip, relay.port) for relay in world.relays]
    info_hash = os.urandom(20)
    ends = [Service(world.ip, port, flags=(), walk_to=walk_to, settings={"max_circuits": 0})
            for port in ports]
    downloader = ends[2]
    try:
        for end in ends:
            await end.start()

        async def known():
            lists = [await end.candidates() for end in ends]
            return all(set(world.keys) <= set(known) for known in lists)

        await until(known, 30.0, "the relays are no candidates")
        wanted = [downloader.point(world.keys[i],
                                   await ends[i].seed(info_hash, hops, world.keys[i], world.keys[rendezvous]))
                  for i in range(2)]
        downloader.tunnels.join_swarm(info_hash, hops, seeding=False)
        for asked in range(2):
            told = await both_known(world, downloader, info_hash, hops, asked, wanted)
        # As told by the second one: the seeder at the first.
        circuit = await downloader.connect(info_hash, told[told.index(wanted[0])])
        complete(await downloader.exchange(circuit, [1, 1300] * 4))
        if sorted(set(ends[0].sizes)) != [1, 1300] or ends[1].sizes:
            raise AssertionError("not connected to the seeder that was asked for")
        # A seeder that leaves is not introduced any more by its own introduction point.
        await ends[0].stop()

        async def forgotten():
            points = [world.relays[0]] if world.relays[0].kind == "peel" else []
            status = [(await relay.status())["hidden_services"] for relay in points]
            return all(one["introductions"] == one["pex_overlays"] == 0 for one in status)

        await until(forgotten, 20.0, "a PEX overlay outlived its seeder")
    finally:
        for end in ends:
            await end.stop()


def mixes(relay):
    """(kinds of the relays, (hops, who introduces, who joins, how it is found) of the services among them). The last
    relay is the end of downloaders' circuits, and asks the DHT."""
    yield [relay, relay, relay], [(1, 0, 0), (1, 0, 1), (1, 2, 2), (2, 1, 0), (1, 0, 1, PEER_SOURCE_DHT),
                                  (2, 1, 0, PEER_SOURCE_DHT)]
    yield [relay, relay, "python"], [(1, 0, 1, PEER_SOURCE_DHT)]
    yield ["python", relay, relay], [(1, 0, 1, PEER_SOURCE_DHT)]
    yield [relay, "python", relay], [(1, 0, 1), (1, 1, 0), (2, 0, 2)]
    yield [relay, "python", relay, "rust", relay], [(3, 0, 2)]


async def one_world(runner, binary, kinds, services, ip="127.0.0.1"):
    # Two workers where all are alike: the two circuits of a rendezvous may be of different ones.
    workers = {"workers": {"count": 2 if len(set(kinds)) == 1 else 1}}
    try:
        async with World(kinds, "python", binary, peel_overrides=workers, ip=ip) as world:
            await world.settle()
            if ip == "127.0.0.1":  # an exit sends nothing to others at an address of its own
                await runner.case(f"hidden services with two seeders among {' '.join(kinds)}: PEX", two_seeders, world, 1,
                                  2)
            for hops, introduction, rendezvous, *source in services:
                await runner.case(
                    f"hidden service over {hops} hops among {' '.join(kinds)}: {introduction + 1} introduces, "
                    f"{rendezvous + 1} joins" + (", found in the DHT" if source else "")
                    + ("" if ip == "127.0.0.1" else ", inside its own address"),
                    one_service, world, hops, introduction, rendezvous, *source)
    except Exception as error:
        await runner.case(f"hidden services among {' '.join(kinds)}: world", raises, error)


def worlds(runner, relay, binary):
    all_worlds = [one_world(runner, binary, kinds, services) for kinds, services in mixes(relay)]
    # The exit is the introduction point and the rendezvous point, at an address that exits refuse.
    if relay == "peel" and (ip := own_address()):
        all_worlds.append(one_world(runner, binary, [relay] * 3, [(1, 2, 2), (2, 2, 2)], ip))
    return all_worlds
