# SPDX-License-Identifier: BSD-3-Clause
"""Addresses of the Internet, in a network namespace of its own: no two hops of a path in one network; fragments."""

import itertools
import os
import subprocess

from ..net import until
from ..remote import Remote
from ..runner import Skipped
from ..scenarios import complete
from .libpeel import PAYLOAD_MAX
from .paths import ALL_KINDS
from .world import EXIT_FLAGS, OriginWorld

_numbers = itertools.count(1)


class Addresses:
    """A network namespace with many addresses on its loopback device, which takes 1500 bytes as Ethernet does. Root
    only."""

    def __init__(self, addresses):
        self.name, self.addresses = f"peelorigin{os.getpid()}-{next(_numbers)}", addresses

    def __enter__(self):
        def run(*words):
            subprocess.run(["ip", "netns", *words], check=True, capture_output=True)
        run("add", self.name)
        try:
            for address in self.addresses:
                run("exec", self.name, "ip", "addr", "add", f"{address}/32", "dev", "lo")
            run("exec", self.name, "ip", "link", "set", "lo", "mtu", "1500", "up")
        except BaseException:
            self.__exit__()
            raise
        return ["ip", "netns", "exec", self.name]

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


async def same_network(options):
    """No two hops in one /16, of public addresses, unless allow_same_network says so."""
    if os.geteuid():
        raise Skipped("needs root")
    hosts = [f"{net}.{i}" for net in ("192.0.2", "198.51.100", "203.0.113") for i in (1, 2)]
    with Addresses([*hosts, "192.88.99.9"]) as prefix:
        nodes = [("peel", EXIT_FLAGS)] * 6
        async with OriginWorld(nodes, {"max_circuits": 16}, binary=options.peel, prefix=prefix,
                               addresses=[(host, 8090) for host in hosts], listen="192.88.99.9:0") as world:
            await world.settle()
            careless = await world.another({"max_circuits": 16, "allow_same_network": True}, listen="192.88.99.9:0")
            await world.settle(origin=careless)
            await world.pool(3, 16)
            await world.pool(3, 16, origin=careless)
            shared = [await _shared(world, origin) for origin in (world.origin, careless)]
            if shared[0]:
                raise AssertionError(f"{shared[0]} of 16 circuits have two hops in one network")
            if not shared[1]:
                raise AssertionError("allow_same_network, but 16 circuits never had two hops in one network")
            return f"allowed: {shared[1]} of 16 circuits"


async def _shared(world, origin):
    """How many circuits have two hops in one /16?"""
    count = 0
    for keys in (await origin.paths(3)).values():
        networks = [world.addresses[world.keys.index(key)][0].split(".")[:2] for key in keys]
        count += any(a == b for a, b in itertools.combinations(networks, 2))
    return count


def _fragments(prefix):
    """(fragments made, datagrams joined) in a namespace so far."""
    text = subprocess.run([*prefix, "cat", "/proc/net/snmp"], check=True, capture_output=True, text=True).stdout
    names, values = [line.split()[1:] for line in text.splitlines() if line.startswith("Ip:")]
    table = dict(zip(names, map(int, values)))
    return table["FragCreates"], table["ReasmOKs"]


async def fragments(options):
    """Datagrams that are too long for one packet on the way, at any of the hops, there and back."""
    if os.geteuid():
        raise Skipped("needs root")
    hosts = [f"192.0.2.{i + 1}" for i in range(len(ALL_KINDS))]
    outside, user = "203.0.113.9", "198.51.100.9"
    sizes = [*range(1260, 1480, 6), 1500, PAYLOAD_MAX - 1, PAYLOAD_MAX] * 2
    with Addresses([*hosts, outside, user]) as prefix:
        echo = Remote("echo", {"ip4": outside}, prefix, "echo server")
        async with OriginWorld(ALL_KINDS, {"max_circuits": 4, "allow_same_network": True}, binary=options.peel,
                               prefix=prefix, apart=True, addresses=[(host, 8090) for host in hosts],
                               listen=f"{user}:0", overrides={"exit": {"allow_own": True}}) as world:
            world.started.append(echo)
            await echo.start()
            await world.settle()
            kinds, total = set(), 0

            async def every_exit():
                nonlocal total
                for circuit in await world.origin.active(3):
                    path = [world.kind_of(key) for key in (await world.origin.circuit(circuit))["keys"]]
                    if path[-1] not in kinds:
                        result = await world.origin.echo(circuit, outside, await echo.where(), sizes, window=4)
                        try:
                            complete(result)
                        except AssertionError as error:
                            raise AssertionError(f"over {' - '.join(path)}: {error}") from None
                        kinds.add(path[-1])
                        total += result["received"]
                    await world.origin.close_circuit(circuit)
                return len(kinds) == 3

            await world.pool(3)
            await until(every_exit, 30, "never an exit of each kind")
            made, joined = _fragments(prefix)
            if made < total or joined < total:
                raise AssertionError(f"{made} fragments for {total} datagrams: nothing was tested")
            return f"{total} datagrams, {made} fragments"


async def one_world(runner, options):
    await runner.case("networks: allow_same_network", same_network, options)
    await runner.case("networks: fragments", fragments, options)
