# SPDX-License-Identifier: BSD-3-Clause
"""Circuits of one to three hops through relays of one kind and of all kinds, with data on each."""

import asyncio

from ..net import until
from ..scenarios import complete
from .libpeel import PAYLOAD_MAX
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld


async def same(world, hops, step):
    """A pool of circuits; one carries all sizes to all kinds of destinations, the others a few datagrams."""
    circuits = await world.pool(hops)
    if await world.origin.ready(hops) < 1.0:
        raise AssertionError("circuits are there, but peel_tunnels_ready() does not say so")
    for circuit in circuits:
        await check_path(world, circuit, hops)
    total = 0
    first = 1 if world.kind_of((await world.origin.circuit(circuits[0]))["keys"][-1]) == "peel" else 2
    sizes = sorted({*range(first, 1401, step), first, 1399, 1400, 1500, PAYLOAD_MAX})
    for host in world.echo_hosts():
        # An exit queues only a few datagrams while its sockets open and a name resolves.
        complete(await world.origin.echo(circuits[0], host, world.echo.port, [first], any_shape=first == 1))
        result = await world.origin.echo(circuits[0], host, world.echo.port, sizes, any_shape=first == 1)
        try:
            complete(result)
        except AssertionError as error:
            raise AssertionError(f"to {host}: {error}") from None
        total += result["received"]
    for circuit in circuits[1:]:
        total += complete_count(await world.origin.echo(circuit, world.echo_ip, world.echo.port, [2, 700, 1400]))
    if await world.origin.strays():
        raise AssertionError(f"{await world.origin.strays()} datagrams over a circuit that nobody sent on")
    return f"{len(circuits)} circuits, {total} datagrams"


def complete_count(result):
    complete(result)
    return result["received"]


async def check_path(world, circuit, hops):
    """The path is as long as it shall be, through different relays, and ends at an exit."""
    info = await world.origin.circuit(circuit)
    keys = info["keys"]
    if info["state"] != "ready" or info["goal"] != hops or len(keys) != hops or len(set(keys)) != hops:
        raise AssertionError(f"not a path of {hops} different hops: {info}")
    for key in keys:
        if key not in world.keys:
            raise AssertionError(f"a hop nobody knows: {key}")
    if world.nodes[world.keys.index(keys[-1])][1] != EXIT_FLAGS:
        raise AssertionError("the last hop is no exit")
    if info["addresses"][0] != list(world.addresses[world.keys.index(keys[0])]):
        raise AssertionError(f"first hop at {info['addresses'][0]}")


async def mixed(world, wanted_pairs=True, seconds=40.0):
    """Circuits of three hops until each kind was in each position, and next to each other kind, with data on all."""
    kinds = ("peel", "python", "rust")
    places = {(i, kind) for i in range(3) for kind in kinds}
    pairs = {(i, a, b) for i in range(2) for a in kinds for b in kinds} if wanted_pairs else set()
    used = set()
    await world.pool(3, 4)

    async def covered():
        for circuit in await world.origin.active(3):
            if circuit in used:
                continue
            await check_path(world, circuit, 3)
            path = [world.kind_of(key) for key in (await world.origin.circuit(circuit))["keys"]]
            places.difference_update(enumerate(path))
            pairs.difference_update({(0, path[0], path[1]), (1, path[1], path[2])})
            result = await world.origin.echo(circuit, world.echo_ip, world.echo.port, [2, 3, 100, 1000, 1400])
            try:
                complete(result)
            except AssertionError as error:
                raise AssertionError(f"over {' - '.join(path)}: {error}") from None
            used.add(circuit)
            await world.origin.close_circuit(circuit)
        return not places and not pairs

    try:
        await until(covered, seconds, "", 0.1)
    except TimeoutError:
        raise AssertionError(f"never after {len(used)} circuits: {sorted(places)} {sorted(pairs)}") from None
    return f"{len(used)} circuits"


async def many(options, count=100):
    """A hundred circuits of one originator at once, through relays of all kinds, with data on all of them together."""
    async with OriginWorld(ALL_KINDS, {"max_circuits": count}, binary=options.peel) as world:
        await world.settle()
        circuits = await world.pool(3, count, timeout=60)
        results = await asyncio.gather(*[
            world.origin.echo(circuit, world.echo_ip, world.echo.port, [2 + i, 1400 - i, 700], window=1)
            for i, circuit in enumerate(circuits)])
        for result in results:
            complete(result)
        if await world.origin.strays():
            raise AssertionError("data over a circuit that nobody sent on")
        return f"{len(circuits)} circuits"


def one_kind(kind):
    """Enough relays for three hops with a choice."""
    return [(kind, RELAY_FLAGS), (kind, RELAY_FLAGS), (kind, EXIT_FLAGS), (kind, EXIT_FLAGS)]


ALL_KINDS = [(kind, flags) for flags in (RELAY_FLAGS, EXIT_FLAGS) for kind in ("peel", "python", "rust")]


async def one_world(runner, kind, options):
    """The worlds of this file: "peel", "python", "rust" or "mix"."""
    nodes = ALL_KINDS if kind == "mix" else one_kind(kind)
    async with OriginWorld(nodes, binary=options.peel, poll=kind == "peel",
                           settings={"max_circuits": 6 if kind == "mix" else 4}) as world:
        await runner.case(f"{kind}: everybody is known", world.settle)
        if kind == "mix":
            await runner.case("mix: every kind in every place", mixed, world, not options.quick)
            return
        step = 1 if kind == "peel" and not options.quick else 31
        for hops in (1, 2, 3):
            await runner.case(f"{kind}: circuits of {hops} hops", same, world, hops, step)


async def hundred(runner, options):
    await runner.case("a hundred own circuits", many, options)
