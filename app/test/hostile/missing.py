# SPDX-License-Identifier: BSD-3-Clause
"""Circuits that cannot be built with what is known: the node says why, and does not try for ever as fast as it can."""

import asyncio
import os

from interop.net import until
from interop.origin.networks import Addresses
from interop.origin.world import EXIT_FLAGS, OriginWorld
from interop.peelclient import PeelClient
from interop.runner import Skipped
from interop.status import counters

RELAYS, ELSEWHERE = [f"192.0.2.{i}" for i in (1, 2, 3)], "198.51.100.1"
CLIENT, LIBRARY = "203.0.113.8", "203.0.113.9"
CANNOT = "circuits of 2 hops cannot be built: the 3 relays known are in 1 network"
NETWORKS = 3  # enum peel_missing


async def one_network(build):
    """All relays are in one /16; then there is one more."""
    if os.geteuid():
        raise Skipped("needs root")
    with Addresses([*RELAYS, ELSEWHERE, CLIENT, LIBRARY]) as prefix:
        binary = f"{build}/app/peel/peel"
        async with OriginWorld([("peel", EXIT_FLAGS)] * 3, binary=binary, prefix=prefix, listen=f"{LIBRARY}:0",
                               addresses=[(host, 8090) for host in RELAYS]) as world:
            await world.settle()
            await _library_says_why(world.origin)
            client = PeelClient(world.addresses, (2,), binary, {"port": {"listen": f"{CLIENT}:0"}}, prefix=prefix)
            world.started.append(client)
            await client.start()
            note = await _client_says_why(client)
            world.nodes.append(("peel", EXIT_FLAGS))
            world.addresses.append((ELSEWHERE, 8090))
            await world.add(3)
            await client.settle()
            await world.full(2, 1, 30)
            if (await world.origin.missing(2))[0] or await _missing(client) != "nothing":
                raise AssertionError("circuits are there, and something is still said to be missing")
            return note


async def _missing(client):
    return (await client.own_circuits())["pools"][0]["missing"]


async def _library_says_why(origin):
    await origin.build_tunnels(2)
    code, text = await origin.missing(2)
    if code != NETWORKS or "in 1 network" not in text:
        raise AssertionError(f"libpeel says {code}, {text}")


async def _client_says_why(client):
    await until(lambda: CANNOT in client.log_tail(100_000), 30, "the log does not say what is missing")
    if await _missing(client) != "networks":
        raise AssertionError(f"status says {await client.own_circuits()}")
    before = counters(await client.status())["own_circuits_begun"]
    await asyncio.sleep(15)
    begun = counters(await client.status())["own_circuits_begun"] - before
    if begun > 6:
        raise AssertionError(f"{begun} doomed circuits begun in 15 s")
    if client.log_tail(100_000).count(CANNOT) != 1:
        raise AssertionError("the log says it again and again")
    return f"{begun} doomed circuits begun in 15 s"


CASES = [("all relays in one network", one_network)]
