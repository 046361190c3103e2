# SPDX-License-Identifier: BSD-3-Clause
"""Relays that die under traffic: the pool is full again in bounded time, and other circuits lose nothing."""

import asyncio
import time

from ..net import until
from ..scenarios import complete
from .paths import ALL_KINDS
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld, gone, send_signal

INACTIVE, HOP, BUILD = 10, 2, 10
SETTINGS = {"max_circuits": 5, "max_time_inactive": INACTIVE, "next_hop_timeout": HOP, "circuit_timeout": BUILD}
PEELS = [("peel", RELAY_FLAGS)] * 3 + [("peel", EXIT_FLAGS)] * 3


async def victim(world, place, kind):
    """(number of a relay of that kind, circuits that it is in at that place, circuits it is not in)."""
    async def search():
        paths = await world.origin.paths(3)
        for i, key in enumerate(world.keys):
            if world.nodes[i][0] != kind:
                continue
            there = [int(c) for c, keys in paths.items() if keys[place] == key]
            others = [int(c) for c, keys in paths.items() if key not in keys]
            if there and len(others) >= 2:
                return i, there, others
        if len(paths) == SETTINGS["max_circuits"]:
            await world.origin.close_circuit(int(next(iter(paths))))
        return None

    return await until(search, 15, f"never a {kind} at place {place}")


async def traffic(world, circuits, seconds):
    """Datagrams over each of these circuits for so long; the counts of each."""
    results = await asyncio.gather(*[
        world.origin.echo(circuit, world.echo_ip, world.echo.port, [2 + i, 500, 1400], window=4, timeout=2.0,
                          seconds=seconds)
        for i, circuit in enumerate(circuits)])
    return dict(zip(circuits, results))


async def _ended(world, circuits, timeout):
    """Seconds until none of them is active."""
    start = time.monotonic()

    async def over():
        return not set(circuits) & set(await world.origin.active(3))

    await until(over, timeout, "dead circuits are still offered")
    return time.monotonic() - start


async def killed(world, place, kind):
    """kill -9: nobody tells, so silence must."""
    await world.pool(3, SETTINGS["max_circuits"])
    number, dead, others = await victim(world, place, kind)
    dead = [c for c in await world.origin.active(3) if c not in others]
    before = await world.origin.counters()
    running = asyncio.ensure_future(traffic(world, dead + others, 2.0))
    await asyncio.sleep(0.7)
    relay = world.relays[number]
    send_signal(relay)
    start = time.monotonic()
    await gone(relay)
    results = await running
    for circuit in others:
        complete(results[circuit])
        if results[circuit]["received"] < 10:
            raise AssertionError("hardly any traffic: nothing was tested")
    if not any(results[circuit]["lost"] for circuit in dead):
        raise AssertionError("no datagram was lost with the relay: it carried none")
    took = await _ended(world, dead, INACTIVE + 4)
    await world.full(3, SETTINGS["max_circuits"], BUILD + 10)
    took = time.monotonic() - start
    after = await world.origin.counters()
    expired = after["own_circuits_expired"] - before["own_circuits_expired"]
    ended = expired + after["own_circuits_destroyed"] - before["own_circuits_destroyed"]
    if ended < len(dead):
        raise AssertionError(f"{len(dead)} circuits died, the counters say {ended}")
    if set(others) - set(await world.origin.active(3)):
        raise AssertionError("circuits that did not use the relay ended too")
    for keys in (await world.origin.paths(3)).values():
        if world.keys[number] in keys:
            raise AssertionError("a circuit through a dead relay")
    for circuit in await world.origin.active(3):
        complete(await world.origin.echo(circuit, world.echo_ip, world.echo.port, [2, 1400]))
    return f"{len(dead)} circuits died, full again after {took:.1f} s"


async def left(world, place):
    """A relay that leaves in order says so: what it was part of is replaced at once."""
    await world.pool(3, SETTINGS["max_circuits"])
    number, _, others = await victim(world, place, "peel")
    dead = [c for c in await world.origin.active(3) if c not in others]
    before = await world.origin.counters()
    running = asyncio.ensure_future(traffic(world, others, 1.5))
    await asyncio.sleep(0.3)
    start = time.monotonic()
    await world.relays[number].stop()
    took = await _ended(world, dead, 3)
    for result in (await running).values():
        complete(result)
    # It may be tried as a hop once more: the others have not forgotten it yet.
    await world.full(3, SETTINGS["max_circuits"], BUILD + 5)
    destroyed = (await world.origin.counters())["own_circuits_destroyed"] - before["own_circuits_destroyed"]
    if destroyed < len(dead):
        raise AssertionError(f"{len(dead)} circuits were destroyed, the counter says {destroyed}")
    return f"{len(dead)} circuits: gone after {took:.2f} s, full again after {time.monotonic() - start:.1f} s"


def killing(place, kind):
    async def world(runner, options):
        nodes = PEELS if kind == "peel" else ALL_KINDS
        async with OriginWorld(nodes, SETTINGS, binary=options.peel, apart=True) as world:
            await world.settle()
            await runner.case(f"healing: {kind} killed, hop {place + 1} of 3", killed, world, place, kind)
    return world


async def leaving(runner, options):
    async with OriginWorld(PEELS, SETTINGS, binary=options.peel) as world:
        await world.settle()
        for place in range(2, -1, -1):
            await runner.case(f"healing: a relay leaves, hop {place + 1} of 3", left, world, place)
            for relay in world.relays:
                if not relay.alive():
                    await relay.start()
            await world.settle()
