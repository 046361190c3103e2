# SPDX-License-Identifier: BSD-3-Clause
"""Hidden services for an hour, while relays, seeders and visitors come and go:

    python -m interop.origin.soak --build build [--minutes 60] [--seed 1]

Services that are there must be reached, and what stays must not grow: memory, open files, places in tables. All ends are
libpeel; a py-ipv8 relay is among those of Peel. Two minutes show that it works; memory tells something after an hour.
"""

import argparse
import asyncio
import hashlib
import os
import random
import statistics
import sys
import time

from .. import proc
from ..net import until
from ..runner import Runner, live_for
from .world import EXIT_FLAGS, OriginWorld, gone, pid_of, send_signal

STEADY = 3  # Peel relays that stay; as many come and go
NODES = [("peel", EXIT_FLAGS)] * (2 * STEADY) + [("python", EXIT_FLAGS)]
SETTINGS = {"swarm_lookup_interval": 5, "min_circuits": 1, "max_circuits": 2}
SEEDERS = VISITORS = 2  # one of each stays
HOPS = (1, 2)  # of each service
REACHED_S = 90  # a service that is there is reached within that time, whatever goes
RSS_SHARE, RSS_BYTES, FILES = 0.02, 4 << 20, 8  # may come on top
BUFFERS = 512  # that a worker may keep at hand
EMPTY_S = 90  # until relays have forgotten what was left


def identifier(text):
    return hashlib.sha1(text.encode()).hexdigest()


def places_taken(status):
    """Of a relay's tables, by circuits of others and what these left; name -> how many."""
    hidden, circuits = status["hidden_services"], status["circuits"]
    taken = {name: hidden[name] for name in ("introductions", "announced", "searches", "asked", "pex_overlays",
                                             "waiting_cookies")}
    taken |= {name: circuits[name] for name in ("exits", "relays", "rendezvous", "pending", "removing")}
    taken |= {"published": status["dht"]["published"], "exit endpoints": status["port"]["exit_endpoints"],
              "buffers": max(0, status["memory"]["buffers_in_use"] - BUFFERS)}
    return {name: count for name, count in taken.items() if count}


class Seeder:
    """One service, and the node that serves it at a time."""

    def __init__(self, world, number):
        self.world, self.number, self.hops = world, number, HOPS[number % len(HOPS)]
        self.service = identifier(f"soak {number}")
        self.node, self.since = None, None  # since: when it joined; None: it is not there

    async def come(self):
        if self.node is None:
            self.node = await self.world.another(SETTINGS, name=f"seeder {self.number + 1}")
        await self.node.join_service(self.service, self.hops, seed=True, find=False, echoes=True)
        self.since = time.monotonic()

    async def leave(self, dies):
        """The service only; or the whole process, without a word."""
        self.since = None
        if not dies:
            await self.node.leave_service(self.service)
            return
        node, self.node = self.node, None
        self.world.started.remove(node)
        send_signal(node)
        await gone(node)


class Visitor:
    def __init__(self, world, number, seeders):
        self.world, self.number, self.seeders = world, number, seeders
        self.node = None
        self.joined = {}  # seeder: since when
        self.reached = {}  # seeder: when it was reached last
        self.tries = self.successes = 0
        self.longest = 0.0  # how long a service that was there was not reached

    async def come(self, seeder):
        if self.node is None:
            self.node = await self.world.another(SETTINGS, name=f"visitor {self.number + 1}")
        await self.node.join_service(seeder.service, seeder.hops, seed=False, find=True)
        self.joined[seeder] = time.monotonic()

    async def leave(self, seeder):
        del self.joined[seeder]
        await self.node.leave_service(seeder.service)

    async def _echo(self, seeder):
        for peer in (await self.node.service(seeder.service))["peers"][-3:]:
            answer = await self.node.echo_peer(peer, [1, 100, 1300], timeout=2.0)
            if answer["received"]:
                return True
        return False

    async def look(self, seeder):
        """Is it reached? What left or came meanwhile does not count."""
        since, joined = seeder.since, self.joined.get(seeder)
        if since is None or joined is None:
            return
        found = await self._echo(seeder)
        if seeder.since != since or self.joined.get(seeder) != joined:
            return
        now, last = time.monotonic(), max(self.reached.get(seeder, 0), since, joined)
        self.tries += 1
        self.successes += found
        self.longest = max(self.longest, now - last)
        if found:
            self.reached[seeder] = now


class Soak:
    def __init__(self, world, options):
        self.world, self.random = world, random.Random(options.seed)
        self.seconds = 60 * options.minutes
        self.seeders = [Seeder(world, i) for i in range(SEEDERS)]
        self.visitors = [Visitor(world, i, self.seeders) for i in range(VISITORS)]
        self.samples = {}  # (name, what): values
        self.events = 0

    # Who comes and goes. Life is short in a short run, so that there is some of it.

    async def _while(self, low, high):
        await asyncio.sleep(self.random.uniform(low, high) * min(1, max(0.4, self.seconds / 600)))

    async def relay_life(self, number):
        while True:
            await self._while(30, 120)
            relay = self.world.relays[number]
            if self.random.random() < 0.5:
                await relay.stop()
            else:
                send_signal(relay)
                await gone(relay)
            self.world.started.remove(relay)
            await self._while(5, 20)
            await self.world.add(number)
            self.events += 1

    async def seeder_life(self, seeder):
        while True:
            await self._while(120, 300)
            await seeder.leave(dies=self.random.random() < 0.5)
            await self._while(5, 20)
            await seeder.come()
            self.events += 1

    async def visitor_life(self, visitor):
        while True:
            await self._while(60, 180)
            seeder = self.random.choice(self.seeders)
            await visitor.leave(seeder)
            await self._while(1, 10)
            await visitor.come(seeder)
            self.events += 1

    # What is seen of it.

    async def look(self):
        while True:
            for visitor in self.visitors:
                for seeder in self.seeders:
                    await visitor.look(seeder)
            await asyncio.sleep(1)

    def staying(self):
        return [*self.world.relays[:STEADY], self.seeders[0].node, self.visitors[0].node]

    async def measure(self):
        while True:
            for node in self.staying():
                pid = pid_of(node)
                for what, value in (("memory", proc.rss_bytes(pid)), ("open files", len(os.listdir(f"/proc/{pid}/fd")))):
                    self.samples.setdefault((node.name, what), []).append(value)
            await asyncio.sleep(self.seconds / 120)

    async def live(self):
        for seeder in self.seeders:
            await seeder.come()
        for visitor in self.visitors:
            for seeder in self.seeders:
                await visitor.come(seeder)
        lives = [self.relay_life(i) for i in range(STEADY, 2 * STEADY)]
        lives += [self.seeder_life(seeder) for seeder in self.seeders[1:]]
        lives += [self.visitor_life(visitor) for visitor in self.visitors[1:]]
        await live_for(self.seconds, [*lives, self.look(), self.measure()])
        return f"{self.seconds:.0f} s, {self.events} came back"

    # The cases that follow.

    async def reached(self):
        tries, successes = (sum(getattr(v, what) for v in self.visitors) for what in ("tries", "successes"))
        longest = max(visitor.longest for visitor in self.visitors)
        note = f"{successes} of {tries} looks, longest without {longest:.0f} s"
        if not successes or longest > REACHED_S:
            raise AssertionError(note)
        return note

    async def not_grown(self, what):
        """Its median in the last quarter, beside that in the second quarter."""
        notes, bad = [], []
        for (name, kind), values in self.samples.items():
            if kind != what:
                continue
            quarter = max(1, len(values) // 4)
            before, after = (statistics.median(part) for part in (values[quarter:2 * quarter], values[-quarter:]))
            room = RSS_BYTES + RSS_SHARE * before if what == "memory" else FILES
            unit = (1 << 20) if what == "memory" else 1
            notes.append(f"{name} {before / unit:.0f} -> {after / unit:.0f}")
            if after - before > room:
                bad.append(name)
        if bad:
            raise AssertionError(f"grown: {', '.join(bad)}: {'; '.join(notes)}")
        return "; ".join(notes)

    async def forgotten(self):
        """All leave: no place in a table stays taken."""
        for visitor in self.visitors:
            for seeder in list(visitor.joined):
                await visitor.leave(seeder)
        for seeder in self.seeders:
            if seeder.since is not None:
                await seeder.leave(dies=False)
        kept = {}

        async def empty():
            kept.clear()
            for relay in self.world.relays[:STEADY]:
                if here := places_taken(await relay.status()):
                    kept[relay.name] = here
            return not kept

        try:
            await until(empty, EMPTY_S, "", 1.0)
        except TimeoutError:
            raise AssertionError(f"relays still have {kept}") from None


async def run(options):
    runner = Runner()
    async with OriginWorld(NODES, SETTINGS, binary=options.peel, apart=True,
                           overrides={"tunnel": {"max_joined_circuits": 1000}}) as world:
        await world.settle()
        soak = Soak(world, options)
        await runner.case("soak: lives of services", soak.live, timeout=soak.seconds + 300)
        await runner.case("soak: services are reached", soak.reached)
        await runner.case("soak: memory does not grow", soak.not_grown, "memory")
        await runner.case("soak: open files do not grow", soak.not_grown, "open files")
        await runner.case("soak: tables are empty afterwards", soak.forgotten, timeout=EMPTY_S + 60)
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="interop.origin.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build directory with the peel binary and libpeel.so")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1, help="of who comes and goes when")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.peel = f"{options.build}/app/peel/peel"
    os.environ["PEEL_LIBRARY"] = f"{options.build}/lib/peel/libpeel.so.0"
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
