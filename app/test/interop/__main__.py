# SPDX-License-Identifier: BSD-3-Clause
"""Run the interoperation tests: python -m interop [--relay KIND] [-k TEXT] [--long] [--quick]
                                   [--set SECTION.NAME=VALUE]

`--relay` is the kind under test: "peel", or "peel-endpoint" for py-ipv8 nodes with Peel as their endpoint (app/ipv8). With
"python" or "rust" in its place the harness proves itself: what fails then is the test, not Peel.
"""

import argparse
import asyncio
import sys

from . import (
    dht_cases,
    endpoint_cases,
    hidden_cases,
    http_cases,
    mainline_cases,
    peelproc,
    proxied,
    rest_cases,
    scenarios,
    service_cases,
    special,
)
from .runner import Runner, raises
from .supervise import supervised
from .world import World


def topologies(relay, quick):
    """(name, kinds of the three hops): the relay under test first, in the middle, last, and everywhere."""
    for other in ("python", "rust"):
        yield f"first of {other}", [relay, other, other]
        yield f"middle of {other}", [other, relay, other]
        yield f"last of {other}", [other, other, relay]
        if quick:
            break
    yield "alone", [relay, relay, relay]


SPECIAL = (
    ("dead hop", special.dead_hop),
    ("restart", special.restart),
)
# Nodes of the DHT are always those of py-ipv8: other endpoints of it are left out.
SPECIAL_DHT = (
    ("dht values", dht_cases.values),
    ("dht peers", dht_cases.peers),
)
SPECIAL_PEEL = (
    ("dht values, IPv6", dht_cases.values_ipv6),
    ("dht peers, IPv6", dht_cases.peers_ipv6),
    ("dht nodes are remembered", dht_cases.remembered),
    ("http answers", http_cases.answers),
    ("http limits", http_cases.limits),
    ("http refusals", http_cases.refusals),
    ("http circuit ends", http_cases.circuit_ends),
    ("http of a rust originator", http_cases.rust_originator),
    ("own addresses", special.own_addresses),
    ("slow names", special.slow_names),
    ("names of all", special.names_of_all),
    ("full relay", special.full_relay),
    ("REST", rest_cases.rest),
)


async def one_world(runner, name, kinds, origin, options):
    """All scenarios that can share one world, in one."""
    under_test = [i for i, kind in enumerate(kinds) if kind == options.relay]
    try:
        async with World(kinds, origin, options.peel) as world:
            await runner.case(f"{name}: discovery", scenarios.discovery, world)
            await runner.case(f"{name}: circuits of one hop", scenarios.one_hop, world)
            await runner.case(f"{name}: circuits of two hops", scenarios.two_hops, world)
            circuits = []

            async def three():
                circuits.append(await world.origin.build(world.keys))

            await runner.case(f"{name}: circuit of three hops", three)
            if circuits:
                step = 1 if "alone" in name and not options.quick else 17
                await runner.case(f"{name}: echo", scenarios.echo, world, circuits[0], step)
                await runner.case(f"{name}: exit policy", scenarios.policy, world, circuits[0])
                await runner.case(f"{name}: speed test", scenarios.speed_test, world, circuits[0])
                await runner.case(f"{name}: destroy by originator", scenarios.destroy_by_originator,
                                  world, circuits[0])
            await runner.case(f"{name}: destroy by relay", scenarios.destroy_by_relay, world,
                              under_test[len(under_test) // 2])
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


async def client_world(runner, name, kinds, options):
    try:
        await proxied.one_world(runner, options.peel, kinds, name)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


def worlds(runner, options):
    """Coroutines, one for each world with what happens in it: the longest first."""
    def wanted(name):
        return options.world in name

    if options.relay == "peel":
        for name, kinds in (("client", ["peel"] * 3), ("client of others", ["python", "rust", "peel"])):
            if wanted(name) and (not options.quick or name == "client"):
                yield client_world(runner, name, kinds, options)
    others = ["rust", *["peel-endpoint"] * (options.relay == "peel-endpoint")]
    for origin in ["python"] if options.quick else ["python", *others]:
        for name, kinds in topologies(options.relay, options.quick):
            name = f"{origin} originator, {options.relay} {name}"
            if wanted(name):
                yield one_world(runner, name, kinds, origin, options)
    if options.relay == "peel-endpoint" and wanted("programs of an endpoint"):
        yield endpoint_cases.one_world(runner, options.peel)
    if wanted("hidden services"):
        yield from hidden_cases.worlds(runner, options.relay, options.peel)
    if options.relay == "peel" and wanted("services of peel"):
        yield from service_cases.worlds(runner, options.peel)
    if wanted("mainline DHT"):
        yield from mainline_cases.worlds(runner, options.relay, options.peel)
    if not wanted("special"):
        return

    alone = (options.relay, "python", options.peel)
    if options.long:
        yield runner.case("stays a candidate", special.stays_candidate, *alone, timeout=200)
    yield runner.case("a hundred circuits", hundred, options)
    dht = SPECIAL_DHT if options.relay in ("peel", "python") else ()
    for name, scenario in SPECIAL + dht + (SPECIAL_PEEL if options.relay == "peel" else ()):
        yield runner.case(name, scenario, *alone)


async def run(options):
    runner = Runner(options.k)
    # Most of a world's time is waiting for grace periods to end: several run side by side.
    slots = asyncio.Semaphore(options.jobs)

    async def in_slot(world):
        async with slots:
            await world

    await asyncio.gather(*[in_slot(world) for world in worlds(runner, options)])
    if options.world in "special":
        # A flood: alone, as the peers of other worlds share its thread.
        await runner.case("rubbish", special.rubbish, options.relay, "python", options.peel,
                          2_000 if options.relay == "python" else 100_000, timeout=300)
    return runner.summary()


async def hundred(options):
    async with World([options.relay] * 3, "python", options.peel) as world:
        await world.settle()
        return await scenarios.many_circuits(world)


def main():
    parser = argparse.ArgumentParser(prog="interop")
    parser.add_argument("--relay", default="peel", choices=("peel", "peel-endpoint", "python", "rust"))
    parser.add_argument("--peel", default=None, help="the peel binary")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one originator and fewer mixes")
    parser.add_argument("--jobs", type=int, default=4, help="worlds at a time")
    parser.add_argument("--world", default="", help="only worlds whose name contains this text")
    parser.add_argument("-k", default="", help="only cases whose name contains this text")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE",
                        help="a setting of all Peel relays, such as aead.engine=avx2")
    options = parser.parse_args()
    for setting in options.set:
        name, _, value = setting.partition("=")
        section, _, name = name.partition(".")
        peelproc.FOR_ALL.setdefault(section, {})[name] = value
    sys.exit(supervised("interop", lambda: run(options)))


if __name__ == "__main__":
    main()
