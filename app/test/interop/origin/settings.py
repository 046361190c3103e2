# SPDX-License-Identifier: BSD-3-Clause
"""What the fields of struct peel_settings promise about own circuits."""

import asyncio
import signal
import time

from ..net import until
from ..scenarios import complete
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld, send_signal

FOUR = [("peel", RELAY_FLAGS), ("peel", RELAY_FLAGS), ("peel", EXIT_FLAGS), ("peel", EXIT_FLAGS)]


class Watch:
    """Looks at the circuits of some length all the time."""

    def __init__(self, origin, hops, interval=0.05):
        self.origin, self.hops, self.interval = origin, hops, interval
        self.least, self.most, self.oldest, self.seen = 1 << 30, 0, 0.0, set()

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self._look())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        try:
            await self.task
        except asyncio.CancelledError:
            pass

    async def _look(self):
        while True:
            active = await self.origin.active(self.hops)
            self.least, self.most = min(self.least, len(active)), max(self.most, len(active))
            self.seen.update(active)
            for circuit in active:
                try:
                    self.oldest = max(self.oldest, (await self.origin.circuit(circuit))["age"])
                except RuntimeError:
                    pass  # ended since
            await asyncio.sleep(self.interval)


async def pool(options):
    """Relays come and go: never more circuits than max_circuits, and as many again when there are relays again."""
    settings = {"min_circuits": 2, "max_circuits": 4, "next_hop_timeout": 1, "circuit_timeout": 3}
    async with OriginWorld(FOUR, settings, binary=options.peel) as world:
        await world.settle()
        await world.origin.build_tunnels(2)
        async with Watch(world.origin, 2) as watch:
            await world.full(2, 4)
            if await world.origin.ready(2) != 2.0:
                raise AssertionError(f"four circuits, two are enough, ready: {await world.origin.ready(2)}")
            # One exit goes: what ended there moves to the other.
            await world.relays[2].stop()
            await until(lambda: _through(world, 2, 2, False), 8, "circuits of an exit that left")
            await world.full(2, 4, 40)  # it stays a candidate for a minute, and tries at it are lost
            # The other one too: nothing is left to end at.
            await world.relays[3].stop()
            await until(lambda: _none(world.origin, 2), 8, "circuits without exits")
            if await world.origin.ready(2) != 0:
                raise AssertionError("no circuits, but peel_tunnels_ready() is not 0")
            # Back again, first one, then the other.
            await world.relays[3].start()
            await world.full(2, 4, 40)
            await world.relays[2].start()
            await world.settle()
        if watch.most > 4:
            raise AssertionError(f"{watch.most} circuits, max_circuits is 4")
        return f"{len(watch.seen)} circuits"


async def _none(origin, hops):
    return not await origin.active(hops)


async def _through(world, hops, relay, wanted):
    """Does (not) any active circuit go through that relay?"""
    paths = await world.origin.paths(hops)
    return any(world.keys[relay] in keys for keys in paths.values()) == wanted


async def max_time(options):
    """No circuit gets older than max_time, and there is a new one before the old one goes."""
    life = 16
    async with OriginWorld(FOUR[1:], {"max_circuits": 3, "max_time": life}, binary=options.peel) as world:
        await world.settle()
        first = set(await world.pool(2))
        async with Watch(world.origin, 2) as watch:
            await asyncio.sleep(life + 1)
        if watch.least < 3:
            raise AssertionError(f"only {watch.least} of 3 circuits for a while")
        if watch.oldest > life + 1.2:
            raise AssertionError(f"a circuit of {watch.oldest} s, max_time is {life}")
        if first & set(await world.origin.active(2)):
            raise AssertionError("circuits outlive max_time")
        replaced = (await world.origin.counters())["own_circuits_replaced"]
        if replaced < 3:
            raise AssertionError(f"{replaced} circuits were replaced")
        return f"{replaced} replaced, oldest {watch.oldest:.1f} s"


async def max_time_inactive(options):
    """Circuits through a relay that answers no more end, and no others; they come back when it does."""
    inactive = 10
    settings = {"max_circuits": 4, "max_time_inactive": inactive, "next_hop_timeout": 2, "circuit_timeout": 4}
    async with OriginWorld(FOUR, settings, binary=options.peel) as world:
        await world.settle()
        frozen = world.relays[2]

        async def both():
            """Circuits through the relay and others: else choose again."""
            paths = await world.origin.paths(2)
            through = [c for c, keys in paths.items() if world.keys[2] in keys]
            if len(paths) == 4 and 1 <= len(through) <= 3:
                return through
            if len(paths) == 4:
                await world.origin.close_circuit(int(next(iter(paths))))
            return None

        await world.pool(2)
        through = await until(both, 10, "all circuits end at one exit")
        send_signal(frozen, signal.SIGSTOP)
        try:
            start = time.monotonic()
            before = await world.origin.counters()

            async def ended():
                return not set(through) & set(await world.origin.paths(2))

            await until(ended, inactive + 4, "circuits through a frozen relay")
            took = time.monotonic() - start
            others = [int(c) for c in await world.origin.paths(2)]
            if took < 1.5:
                raise AssertionError(f"silent for {took:.1f} s only")
            if not others:
                raise AssertionError("the other circuits ended too")
            expired = (await world.origin.counters())["own_circuits_expired"] - before["own_circuits_expired"]
            if expired != len(through):
                raise AssertionError(f"{expired} expired, {len(through)} went through the frozen relay")
            for circuit in others:
                complete(await world.origin.echo(circuit, world.echo_ip, world.echo.port, [2, 1000]))
            await world.full(2, 4, 20)  # with the other exit
        finally:
            send_signal(frozen, signal.SIGCONT)
        return f"{len(through)} ended after {took:.1f} s"


async def max_traffic(options):
    """A circuit that carried max_traffic bytes goes, a fresh one comes before, and the others stay."""
    limit = 600_000
    settings = {"max_circuits": 3, "max_traffic": limit}
    async with OriginWorld(FOUR[1:], settings, binary=options.peel) as world:
        await world.settle()
        circuits = await world.pool(2)
        heavy = circuits[0]
        async with Watch(world.origin, 2) as watch:
            carried = 0
            for _ in range(1000):
                result = await world.origin.echo(heavy, world.echo_ip, world.echo.port, [1000] * 4, timeout=2)
                if heavy not in await world.origin.active(2):
                    break
                carried += 4 * 2 * 1000
                complete(result)
                # The replacement is built at nine tenths: it gets the time that a busy machine takes.
                await asyncio.sleep(0.03 if carried < 0.8 * limit else 0.25)
            await world.full(2, 3)
        if not 0.7 * limit < carried < limit:
            raise AssertionError(f"ended after {carried} bytes of payload, max_traffic is {limit}")
        if set(circuits[1:]) - set(await world.origin.active(2)):
            raise AssertionError("light circuits ended too")
        if watch.least < 3:
            raise AssertionError("no fresh circuit in time")
        return f"{carried} bytes of payload"


async def no_replacement(options):
    """An exit that takes no more circuits: those there are end all the same, one by its bytes, one by its age."""
    life, limit = 10, 200_000
    settings = {"max_circuits": 2, "max_time": life, "max_traffic": limit, "next_hop_timeout": 1, "circuit_timeout": 1}
    async with OriginWorld([("peel", EXIT_FLAGS)], settings, binary=options.peel,
                           overrides={"tunnel": {"max_joined_circuits": 2}}) as world:
        await world.settle()
        start = time.monotonic()
        heavy, light = await world.pool(1)
        carried = 0
        while heavy in await world.origin.active(1):
            result = await world.origin.echo(heavy, world.echo_ip, world.echo.port, [1000] * 4, timeout=2)
            carried += 2 * 1000 * result["received"]
            if carried > 2 * limit:
                raise AssertionError(f"{carried} bytes of payload, max_traffic is {limit}")
            await asyncio.sleep(0.03)
        if carried < 0.7 * limit:
            raise AssertionError(f"ended after {carried} bytes of payload, max_traffic is {limit}")

        async def old():
            return light not in await world.origin.active(1)

        await until(old, start + life + 2.5 - time.monotonic(), "circuits outlive max_time", 0.05)
        age = time.monotonic() - start
        if age < life - 0.5:
            raise AssertionError(f"ended after {age:.1f} s, max_time is {life}")
        if (await world.origin.counters())["own_circuits_expired"] != 2:
            raise AssertionError("two circuits expired, the counter says something else")
        return f"{carried} bytes of payload, {age:.1f} s"


async def dead_hops(options):
    """A candidate that never answers costs next_hop_timeout each, and no path goes through it."""
    nodes = [("python", RELAY_FLAGS), ("peel", RELAY_FLAGS), ("peel", RELAY_FLAGS), ("peel", EXIT_FLAGS)]
    settings = {"max_circuits": 6, "next_hop_timeout": 1, "circuit_timeout": 6}
    async with OriginWorld(nodes, settings, binary=options.peel, deaf=[0]) as world:
        await world.settle()
        start = time.monotonic()
        await world.pool(3)
        took = time.monotonic() - start
        paths = await world.origin.paths(3)
        if any(world.keys[0] in keys for keys in paths.values()):
            raise AssertionError("a circuit through a relay that answers nothing")
        timeouts = (await world.origin.counters())["own_hop_timeouts"]
        if not timeouts or took < 0.9:
            raise AssertionError("the dead relay was never tried: nothing was tested")
        return f"{timeouts} timeouts, {took:.1f} s"


async def all_dead(options):
    """Nobody answers: each circuit is given up after circuit_timeout, and creates are not sent like a flood."""
    nodes = [("python", EXIT_FLAGS)] * 2
    settings = {"max_circuits": 2, "next_hop_timeout": 1, "circuit_timeout": 2}
    async with OriginWorld(nodes, settings, binary=options.peel, deaf=[0, 1]) as world:
        await world.settle()
        await world.origin.build_tunnels(1)

        async def failed():
            return (await world.origin.counters())["own_circuits_failed"] >= 4

        await until(failed, 12, "circuits to dead exits are not given up")
        table = await world.origin.counters()
        if table["own_hop_timeouts"] > 2 * table["own_circuits_begun"]:
            raise AssertionError("more tries than circuit_timeout / next_hop_timeout")
        if await world.origin.active(1):
            raise AssertionError("a circuit to a dead exit")
        return f"{table['own_circuits_begun']} begun, {table['own_circuits_failed']} failed"


async def closing(options):
    """peel_close_circuit, peel_stop_tunnels, and what relays and callbacks say about it."""
    settings = {"max_circuits": 3, "remove_tunnel_delay": 1}
    async with OriginWorld(FOUR[1:], settings, binary=options.peel,
                           overrides={"tunnel": {"remove_tunnel_delay": 1}}) as world:
        await world.settle()
        circuits = await world.pool(2)
        await world.origin.close_circuit(circuits[0])
        await until(lambda: _told(world.origin, circuits[0], False), 3, "nobody was told of the end")
        try:
            await world.origin.send(circuits[0], world.echo_ip, 9, "64")
            await asyncio.sleep(1.5)
            if await world.origin.send(circuits[0], world.echo_ip, 9, "64") == 0:
                raise AssertionError("data over a circuit that was closed")
            await world.origin.close_circuit(circuits[0])
        except RuntimeError as error:
            if "ENOENT" not in str(error):
                raise
        else:
            raise AssertionError("a circuit was closed twice")
        now = await world.full(2, 3)
        if circuits[0] in now or set(circuits[1:]) - set(now):
            raise AssertionError("not just the closed circuit was replaced")
        for circuit in now:
            await until(lambda circuit=circuit: _told(world.origin, circuit, True), 2, "a circuit nobody was told of")
        await world.origin.stop_tunnels(2)
        await until(lambda: _none(world.origin, 2), 2, "circuits after peel_stop_tunnels")

        async def empty():
            tables = [await relay.tables() for relay in world.relays]
            return not any(table["relays"] or table["exits"] for table in tables)

        await until(empty, 6, "relays still hold circuits")
        await asyncio.sleep(1.0)
        if await world.origin.active(2):
            raise AssertionError("peel_stop_tunnels, and new circuits are built")


async def _told(origin, circuit, ready):
    return any(event[0] == circuit and event[1] == ready for event in await origin.events())


async def circuit_for(options):
    """A destination keeps its circuit; with isolate_destinations no two share one while there are others."""
    async with OriginWorld(FOUR[1:], {"max_circuits": 4, "isolate_destinations": True}, binary=options.peel) as world:
        await world.settle()
        plain = await world.another({"max_circuits": 4})
        await world.settle(origin=plain)
        await world.pool(1)
        await world.pool(1, 4, origin=plain)
        hosts = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "one.example"]
        chosen = [await world.origin.circuit_for(1, host, 80) for host in hosts]
        if 0 in chosen or len(set(chosen)) != 4:
            raise AssertionError(f"four destinations, four circuits, isolated, but: {chosen}")
        # The same host is one destination, whatever the port.
        if [await world.origin.circuit_for(1, host, 443) for host in hosts] != chosen:
            raise AssertionError("a destination changed its circuit")
        once = await plain.circuit_for(1, hosts[0], 80)
        if any([await plain.circuit_for(1, hosts[0], 80) != once for _ in range(20)]):
            raise AssertionError("without isolation too a destination keeps its circuit")
        await world.origin.close_circuit(chosen[1])
        await world.full(1, 4)
        again = [await world.origin.circuit_for(1, host, 80) for host in hosts]
        if again[1] in (0, chosen[1]) or again[0] != chosen[0] or again[2:] != chosen[2:]:
            raise AssertionError(f"one circuit was closed, so one destination moves: {chosen}, {again}")
        if await world.origin.circuit_for(3, hosts[0], 80):
            raise AssertionError("a circuit of three hops, though none was asked for")


async def pooled(runner, options):
    await runner.case("settings: relays come and go", pool, options)


async def aged(runner, options):
    await runner.case("settings: max_time", max_time, options)


async def silent(runner, options):
    await runner.case("settings: max_time_inactive", max_time_inactive, options)


async def short(runner, options):
    await runner.case("settings: max_traffic", max_traffic, options)
    await runner.case("settings: no replacement", no_replacement, options)
    await runner.case("settings: dead hops", dead_hops, options)
    await runner.case("settings: nobody answers", all_dead, options)


async def calls(runner, options):
    await runner.case("closing and stopping", closing, options)
    await runner.case("circuits of destinations", circuit_for, options)
