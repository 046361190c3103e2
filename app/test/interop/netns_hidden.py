# SPDX-License-Identifier: BSD-3-Clause
"""Hidden services through relays on DPDK ports: a rendezvous point with two workers, which is the introduction point
and the exit as well; and libpeel at both ends."""

import asyncio
import os

from .hidden_cases import Service
from .net import until
from .netns_world import PORT
from .origin.world import originator
from .remote import Remote
from .scenarios import complete

SEEDERS, DOWNLOADERS = 50, 51
PAIRS = 4
SIZES = [1, 2, 20, 100, 500, 999, 1200, 1300]
SIZES_ALL = list(range(1, 1301))


class Ends:
    """Ends of hidden services, one at each port, in a process of their own (remote.py)."""

    def __init__(self, ip, ports, walk_to):
        walk_to = [tuple(address) for address in walk_to]
        self.ends = [Service(ip, port, flags=(), walk_to=walk_to, settings={"max_circuits": 0}) for port in ports]

    async def start(self):
        for end in self.ends:
            await end.start()
        return self

    async def stop(self):
        for end in self.ends:
            await end.stop()

    async def know(self, keys):
        async def known():
            lists = [await end.candidates() for end in self.ends]
            return all(set(keys) <= set(known) for known in lists)

        await until(known, 60.0, "the relays are no candidates")

    async def seed(self, number, info_hash, hops, point):
        return (await self.ends[number].seed(bytes.fromhex(info_hash), hops, point, point)).hex()

    async def reach(self, number, info_hash, hops, point, key):
        """The circuit to the seeder with that key, introduced there."""
        end, info_hash = self.ends[number], bytes.fromhex(info_hash)
        end.tunnels.join_swarm(info_hash, hops, seeding=False)
        wanted = end.point(point, bytes.fromhex(key))
        found = await end.find(info_hash, hops, end.point(point))
        if wanted not in found:
            raise AssertionError(f"told of {[point.to_dict() for point in found]}")
        return await end.connect(info_hash, wanted)

    async def exchange(self, number, circuit, count):
        return await self.ends[number].exchange(circuit, [SIZES[i % len(SIZES)] for i in range(count)])


async def joined(world):
    """Cells that each worker of the last relay has passed between joined circuits."""
    status = await world.relays[-1].status()
    return [worker["counters"].get("cells_rendezvous", 0) for worker in status["workers"]]


async def rendezvous(world):
    """Pairs joined at the last relay, at least one of them from two workers: data both ways, all pairs at once."""
    addresses = [(relay.ip, relay.port) for relay in world.relays]
    point = world.keys[-1]
    hosts = []
    try:
        for number in (SEEDERS, DOWNLOADERS):
            prefix, ip4, _, _ = world.ethernet.add(number)
            host = Remote("interop.netns_hidden:Ends",
                          {"ip": ip4, "ports": [PORT + i for i in range(PAIRS)], "walk_to": addresses},
                          prefix, "ends of services")
            hosts.append(host)
            await host.start()
        seeders, downloaders = hosts
        await asyncio.gather(*[host.know(world.keys) for host in hosts])
        circuits, mixed = [], 0
        for number in range(PAIRS):
            info_hash = os.urandom(20).hex()
            key = await seeders.seed(number, info_hash, 1, point)
            circuits.append(await downloaders.reach(number, info_hash, 1, point, key))
            before = await joined(world)
            complete(await downloaders.exchange(number, circuits[-1], 50))
            passed = [after - count for after, count in zip(await joined(world), before)]
            mixed += min(passed) >= 50
        before = await joined(world)
        results = await asyncio.gather(*[downloaders.exchange(number, circuit, 2000)
                                         for number, circuit in enumerate(circuits)])
        for result in results:
            complete(result)
        passed = [after - count for after, count in zip(await joined(world), before)]
        if mixed == 0:
            raise AssertionError(f"all circuits at one worker: {passed}")
        rate = sum(passed) / max(result["seconds"] for result in results)
        return f"{mixed} of {PAIRS} pairs from two workers, which passed {passed} cells, {rate:.0f}/s"
    finally:
        for host in hosts:
            await host.stop()


async def libpeel(world, hops):
    """A seeder and a downloader of libpeel, each on a machine of its own, over so many hops: every size both ways."""
    addresses = [(relay.ip, relay.port) for relay in world.relays]
    service = os.urandom(20).hex()
    ends = []
    try:
        for i in range(2):
            prefix, ip4, _, _ = world.ethernet.add(SEEDERS + 10 * hops + i)
            ends.append(originator(addresses, {"listen": f"{ip4}:{PORT}", "swarm_lookup_interval": 1}, name="end",
                                   prefix=prefix))
            await ends[-1].start()
        seeder, downloader = ends
        await seeder.join_service(service, hops, seed=True, find=False, echoes=True)
        await downloader.join_service(service, hops, seed=False, find=True)

        async def met():
            return (await downloader.service(service))["peers"]

        peer = (await until(met, 60.0, "no peer found"))[0]
        complete(await downloader.echo_peer(peer, SIZES_ALL))
        if (await seeder.service(service))["sizes"] != SIZES_ALL:
            raise AssertionError("the seeder got other sizes")
    finally:
        for end in ends:
            await end.stop()
