# SPDX-License-Identifier: BSD-3-Clause
"""Ten nodes in processes of their own, who comes and who goes, and what is seen of them."""

import asyncio
import hashlib
import os
import random
import signal
import time

from .. import proc
from ..echo import EchoServer
from ..net import free_ports, stop_all, until
from ..remote import Remote
from ..runner import live_for
from .inhabitant import LIMIT_S
from .losses import Ledger

HERE = __package__
STAY, COME_AND_GO = 2, 3  # of each kind
LENGTHS = (1, 2, 3)
DESTINATIONS = 2  # of each length
REQUEST_S = 0.5  # between two requests of a length
ROTATION_S = 20  # a client gives up its oldest circuit
VISIT_S = 1.0  # between two requests of an end-to-end circuit
SERVICE_HOPS = (1, 2)
EVENT_S = (45, 75)  # between two that leave; less in short runs
AWAY_S = (3, 10)
TAKE_S = 15  # between two looks at tallies
MEASURE_S = 20
START_S = 120
# A node that does not answer for so long stands still. One with Peel should not, however busy the machine is.
STILL_S = {"peel-endpoint": 60, "rust": 20}


async def killed(node):
    if node.process.returncode is None:
        os.kill(node.pid, signal.SIGKILL)
    await node.process.wait()
    await node.reader


class Place:
    """One of ten: the node that has it at a time."""

    def __init__(self, kind, number, stays):
        self.kind, self.number, self.stays = kind, number, stays
        self.name = f"{kind} {number + 1}"
        self.node = self.short = None
        self.series = 0  # which node it is that has this place
        self.client = stays or number == STAY
        self.lock = asyncio.Lock()


class Population:
    def __init__(self, options):
        self.options, self.random = options, random.Random(options.seed)
        self.seconds = options.minutes * 60
        self.places = [Place(kind, number, number < STAY) for kind in ("peel", "stock")
                       for number in range(STAY + COME_AND_GO)]
        self.ledger = Ledger(LIMIT_S)
        self.samples = {}  # (name, which node of that name, what): values
        self.left = {"in order": 0, "killed": 0}
        self.crashes, self.still = [], []
        self.hostile, self.states = {}, {}
        self.services = {(place.name, hops): hashlib.sha1(f"{place.name} {hops}".encode()).hexdigest()
                         for place in self.places if place.number == 0 for hops in SERVICE_HOPS}
        self.echoes, self.ports = [], {}

    async def __aenter__(self):
        for hops in LENGTHS:
            servers = [await EchoServer().start() for _ in range(DESTINATIONS)]
            self.echoes += servers
            self.ports[str(hops)] = [server.port for server in servers]
        self.echoes.append(server := await EchoServer().start())
        self.ports["hello"] = server.port
        # More than the hour needs: a place is empty now and then.
        self.stranger = Remote(f"{HERE}.stranger:Stranger", {"rate": self.options.hostile / 3600 * 1.2}, ("nice", "-n", "5"))
        try:
            await asyncio.gather(*(self.come(place) for place in self.places))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_):
        nodes = [place.node for place in self.places if place.node]
        await stop_all([self.stranger, *nodes], self.echoes)
        self.crashes += [f"{node.name} ended with {node.process.returncode}" for node in nodes if node.process.returncode]

    def endpoint(self, place):
        return "rust" if place.kind == "stock" or self.options.stock else "peel-endpoint"

    async def come(self, place):
        """A new node, with a key and a port of its own."""
        while True:
            (place.port,) = free_ports(1)
            options = {"port": place.port, "kind": self.endpoint(place), "name": place.name,
                       "output": f"{self.options.build}/endpoint-soak.log"}
            node = Remote(f"{HERE}.inhabitant:Inhabitant", options, ("nice", "-n", "5"), place.name)
            try:
                await asyncio.wait_for(node.start(), START_S)
                place.key = (await asyncio.wait_for(node.info(), START_S))["key"]
                break
            except (TimeoutError, RuntimeError) as error:
                self.stands_still(place, error)
                await killed(node)
        place.short = hashlib.sha1(bytes.fromhex(place.key)).hexdigest()[:12]
        self.ledger.kinds[place.short] = place.kind
        place.seen = time.monotonic()
        place.node = node

    async def settle(self):
        await self.introduce()
        for place in self.places:
            await self.met(place)
        for place in self.places:
            await self.work(place)
        await self.stranger.start()
        await self.aim()

    async def met(self, place):
        """Wait until it knows all others. One that stands still has a successor."""
        async def knows():
            return await self.ask(place, "known") >= len(self.places) - 1

        try:
            await until(knows, 60, f"{place.name} does not know all others", 1.0)
        except TimeoutError as error:
            self.stands_still(place, error)
            await self.leave(place, "killed")
            await self.come(place)
            await self.introduce()
            await until(knows, 60, f"{place.name} does not know all others", 1.0)

    def stands_still(self, place, error):
        """Endpoints of 0.1.53 do, now and then: one thread has the interpreter's lock and waits for the endpoint's, which
        another has that waits for the interpreter's."""
        (self.still if isinstance(error, TimeoutError) else self.crashes).append(f"{place.name}: {error!r}")

    async def ask(self, place, method, *args):
        return await asyncio.wait_for(getattr(place.node, method)(*args), STILL_S[self.endpoint(place)])

    async def introduce(self):
        """Tell all of all. Who does not listen is found out later."""
        here = [place for place in self.places if place.node]
        await asyncio.gather(*(self.ask(place, "meet", [("127.0.0.1", other.port) for other in here if other is not place])
                               for place in here), return_exceptions=True)

    async def work(self, place):
        """What a node does besides relaying."""
        if not place.client:
            return
        try:
            await self.ask(place, "browse", LENGTHS, self.ports, REQUEST_S, ROTATION_S)
            for (owner, hops), service in self.services.items():
                if owner == place.name:
                    await self.ask(place, "seed", service, hops, self.ports["hello"])
                elif place.number != 0:
                    await self.ask(place, "visit", service, hops, f"service of {owner.split()[0]}", VISIT_S)
        except (TimeoutError, RuntimeError):
            pass  # the next look finds out

    async def aim(self):
        await self.stranger.aim({place.name: (place.port, place.key) for place in self.places if place.node})

    # Who comes and goes.

    async def leave(self, place, how):
        node, place.node = place.node, None
        place.series += 1
        self.ledger.died[place.short] = time.monotonic()
        self.left[how] += 1
        if how == "in order":
            await node.stop()
            if node.process.returncode:
                self.crashes.append(f"{place.name} ended with {node.process.returncode}")
        else:
            await killed(node)

    async def churn(self):
        """One of each kind in turn."""
        turn = 0
        while True:
            await asyncio.sleep(self.random.uniform(*EVENT_S) * min(1, max(0.4, self.options.minutes / 10)))
            kind = ("peel", "stock")[turn % 2]
            place = self.random.choice([p for p in self.places if p.kind == kind and not p.stays])
            await self.replace(place, self.random.choice(list(self.left)))
            turn += 1

    async def replace(self, place, how):
        async with place.lock:
            if place.node and how == "in order":
                try:
                    await self.take(place)
                except Exception as error:  # it ends badly, but it ends
                    self.stands_still(place, error)
                    how = "killed"
            if place.node:
                await self.leave(place, how)
            await asyncio.sleep(self.random.uniform(*AWAY_S))
            await self.come(place)
            await self.introduce()
            await self.aim()
            await self.work(place)

    # What is seen of it.

    async def take(self, place):
        now = time.monotonic()
        self.ledger.add(place.kind, await self.ask(place, "take"))
        place.seen = now

    async def look(self):
        while True:
            await asyncio.sleep(TAKE_S)
            await asyncio.gather(*(self.look_at(place) for place in self.places if place.node and not place.lock.locked()))

    async def look_at(self, place):
        node = place.node
        try:
            await self.take(place)
        except Exception as error:
            if place.node is not node:
                return
            self.stands_still(place, error)
            short, seen = place.short, place.seen
            await self.replace(place, "killed")
            self.ledger.died[short] = seen

    async def last_look_at(self, place):
        try:
            await self.take(place)
            self.states[place.name] = await self.ask(place, "state")
        except (TimeoutError, RuntimeError) as error:
            self.stands_still(place, error)

    async def measure(self):
        while True:
            for place in self.places:
                if place.stays and place.node:
                    self.sample(place)
            await asyncio.sleep(MEASURE_S)

    def sample(self, place):
        pid = place.node.pid
        try:
            values = {"memory": proc.rss_bytes(pid), "files": len(os.listdir(f"/proc/{pid}/fd")),
                      "threads": len(os.listdir(f"/proc/{pid}/task")), "cpu": proc.cpu_seconds(pid)}
        except OSError:
            return  # it died; the next look finds out
        for what, value in values.items():
            self.samples.setdefault((place.name, place.series, what), []).append(value)

    async def live(self):
        try:
            await live_for(self.seconds, [self.churn(), self.look(), self.measure()])
        finally:
            self.hostile = await self.stranger.sent()
        await asyncio.gather(*(self.last_look_at(place) for place in self.places if place.node))
        return f"{self.seconds:.0f} s, {self.left['in order']} left in order, {self.left['killed']} were killed"
