# SPDX-License-Identifier: BSD-3-Clause
"""Hidden services between libpeel and stock py-ipv8 nodes: who seeds, who finds, and who introduces, joins, looks up
and relays, in every mix."""

import os
import time

from ..hidden_cases import Service, announced
from ..net import free_ports, until
from ..scenarios import complete
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld, originator

SIZES = list(range(1, 1301))
LOOKUP = {"swarm_lookup_interval": 1, "max_circuits": 1}


class PeelEnd:
    """libpeel; the library does everything by itself."""

    kind = "peel"

    def __init__(self, world, settings=None, poll=False):
        self.world = world
        self.node = originator(world.addresses, LOOKUP if settings is None else settings, poll, "end")

    async def start(self):
        await self.node.start()
        await self.world.settle(origin=self.node)

    async def seed(self, service, hops, _introduction, _rendezvous):
        self.service = service
        await self.node.join_service(service, hops, seed=True, find=False, echoes=True)

        async def introduced():
            return (await self.node.service(service))["own_introduction_points"]

        await until(introduced, 30.0, "no introduction point")

    async def find(self, service, hops, _introduction, _key):
        self.service = service
        await self.node.join_service(service, hops, seed=False, find=True)

        async def met():
            return (await self.node.service(service))["peers"]

        try:
            self.peer = (await until(met, 60.0, "no peer found"))[0]
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {(await self.node.status())['services']}") from None

    async def key(self):
        return (await self.node.service(self.service))["key"]

    async def exchange(self, sizes):
        return await self.node.echo_peer(self.peer, sizes)

    async def sizes(self):
        return (await self.node.service(self.service))["sizes"]

    async def leave(self):
        await self.node.leave_service(self.service)

    async def connections(self):
        return len((await self.node.service(self.service))["peers"])

    async def stop(self):
        await self.node.stop()


class PythonEnd:
    """Stock py-ipv8, which is told whom to choose as introduction and rendezvous point."""

    kind = "python"

    def __init__(self, world):
        self.world = world
        self.node = Service("127.0.0.1", free_ports(1)[0], flags=(), walk_to=world.addresses,
                            settings={"max_circuits": 0})

    async def start(self):
        await self.node.start()

        async def known():
            return set(self.world.keys) <= set(await self.node.candidates())

        await until(known, 30.0, "the relays are no candidates")

    async def seed(self, service, hops, introduction, rendezvous):
        self.service = bytes.fromhex(service)
        self.seeder_key = await self.node.seed(self.service, hops, self.world.keys[introduction],
                                               self.world.keys[rendezvous])
        # An exit that looked up before says for a while that there is nobody.
        if self.world.relays[introduction].kind == "peel":
            await announced(self.world.relays[introduction])

    async def find(self, service, hops, introduction, key):
        """As the end of a circuit or, with `introduction`, that introduction point tells."""
        self.service = bytes.fromhex(service)
        self.node.tunnels.join_swarm(self.service, hops, seeding=False)
        found = await self.node.find(self.service, hops, None, 60.0)
        if {point.seeder_pk.hex() for point in found} != {key}:
            raise AssertionError("told of another seeder")
        self.circuit = await self.node.connect(self.service, found[0])

    async def key(self):
        return self.seeder_key.hex()

    async def exchange(self, sizes):
        return await self.node.exchange(self.circuit, sizes)

    async def sizes(self):
        return sorted(set(self.node.sizes))

    async def leave(self):
        self.node.tunnels.leave_swarm(self.service)

    async def connections(self):
        return sum(c.ctype.startswith("RP_") for c in self.node.tunnels.circuits.values())

    async def stop(self):
        errors = await self.node.errors()
        await self.node.stop()
        if errors:
            raise AssertionError(f"a py-ipv8 end logged: {errors[0][-600:]}")


ENDS = {"peel": PeelEnd, "python": PythonEnd}


def no_errors(relays, errors):
    for relay, texts in zip(relays, errors):
        if texts:
            raise AssertionError(f"{relay.name} logged: {texts[0][-600:]}")


async def meet(world, seeder_kind, downloader_kind, hops, introduction, rendezvous):
    """`hops`: of the seeder and of the downloader."""
    service = os.urandom(20).hex()
    seeder, downloader = ENDS[seeder_kind](world), ENDS[downloader_kind](world)
    started = []
    try:
        for end in (seeder, downloader):
            started.append(end)
            await end.start()
        await seeder.seed(service, hops[0], introduction, rendezvous)
        begin = time.monotonic()
        await downloader.find(service, hops[1], introduction, await seeder.key())
        took = time.monotonic() - begin
        complete(await downloader.exchange(SIZES))
        if await seeder.sizes() != SIZES:
            raise AssertionError(f"the seeder got other sizes: {await seeder.sizes()}")
        await downloader.leave()

        async def ended():
            return await seeder.connections() == 0

        await until(ended, 20.0, "the seeder's end outlived the downloader's")
    finally:
        for end in reversed(started):
            await end.stop()
    python = [relay for relay in world.relays if relay.kind == "python"]
    no_errors(python, [await relay.errors() for relay in python])
    return f"connected after {took:.1f} s"


async def together(world):
    """Two that register the same service at the same time, with the services' settings as they are by default. One has
    two workers, the other is driven by a loop of the program."""
    service = os.urandom(20).hex()
    ends = [PeelEnd(world, {"workers": 2}), PeelEnd(world, {}, poll=True)]
    started = []
    try:
        for end in ends:
            started.append(end)
            await end.start()
        begin = time.monotonic()
        for end in ends:
            await end.node.join_service(service, 1, echoes=end is ends[0])

        async def met():
            return (await ends[1].node.service(service))["peers"]

        peer = (await until(met, 60.0, "no peer found", 0.01))[0]
        complete(await ends[1].node.echo_peer(peer, [1]))
        return f"first byte, and back, {time.monotonic() - begin:.2f} s after peel_register_service"
    finally:
        for end in reversed(started):
            await end.stop()


HOPS = [(seeder, downloader) for seeder in (1, 2, 3) for downloader in (1, 2, 3)]


def mixes():
    """(kinds of two exits and three relays, [(seeder, downloader, hops, who introduces, who joins)]). Exits are where
    libpeel has its first introduction points and circuits for look-ups; with one hop, any relay is its rendezvous
    point. What py-ipv8 seeders have is said here."""
    nth = 0
    for exits in (("peel", "peel"), ("python", "python"), ("peel", "python")):
        for relays in (("peel", "peel", "peel"), ("python", "python", "python"), ("python", "peel", "python")):
            def hops(i, nth=nth):
                return HOPS[(nth + i) % len(HOPS)]

            yield exits + relays, [
                ("peel", "peel", hops(0), None, None), ("peel", "peel", hops(3), None, None),
                ("peel", "peel", hops(6), None, None), ("peel", "python", hops(1), None, None),
                ("peel", "python", hops(5), None, None), ("python", "peel", hops(2), nth % 5, (nth + 2) % 5),
                ("python", "peel", hops(7), (nth + 1) % 5, (nth + 4) % 5)]
            nth += 1


async def one_world(runner, options, kinds, services):
    flags = [EXIT_FLAGS, EXIT_FLAGS] + [RELAY_FLAGS] * (len(kinds) - 2)
    among = " ".join(kinds)
    async with OriginWorld(list(zip(kinds, flags)), LOOKUP, binary=options.peel) as world:
        await world.settle()
        for seeder, downloader, hops, introduction, rendezvous in services:
            name = f"service among {among}: {seeder} seeds over {hops[0]} hops, {downloader} finds over {hops[1]}"
            if seeder == "python":
                name += f"; {introduction + 1} introduces, {rendezvous + 1} joins"
            await runner.case(name, meet, world, seeder, downloader, hops, introduction, rendezvous)
        await runner.case(f"service among {among}: two register it", together, world)


def worlds():
    for kinds, services in mixes():
        yield "services " + " ".join(kinds), lambda runner, options, kinds=kinds, services=services: one_world(
            runner, options, kinds, services)
