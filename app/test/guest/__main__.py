# SPDX-License-Identifier: BSD-3-Clause
"""Run the cases inside the namespace that `run` made: python -m guest --kernel FILE --image FILE --tap INTERFACE"""

import argparse
import asyncio
import sys

from interop import scenarios
from interop.echo import EchoServer
from interop.peer import Peer
from interop.runner import Runner
from interop.status import counters, drops
from interop.world import EXIT_FLAGS, World

from .machine import CARD, EXPECTED, PeelMachine

PORT = 8090
PEEL, PYTHON, ORIGIN, ECHO = "10.99.0.1", "10.99.0.2", "10.99.0.99", "10.99.0.100"
ECHO6 = "fd99::64"
# By the echo server's address: what a cell of a one-hop circuit has beside the data, and the longest datagram that
# leaves an exit whole. Cells themselves travel over IPv4, which has room for 1472 bytes.
SHAPE = {ECHO: (68, 1472), ECHO6: (80, 1452)}
# The cell needs fragments; the cell and what leaves the exit do.
FRAGMENTED = [1450, 1700]


class GuestWorld(World):
    """Peel on the machine, an exit, and beside it an exit of py-ipv8, which shares the host's end of the tap."""

    echo_ip = ECHO

    def __init__(self, kernel, image, tap):
        super().__init__(["peel", "python"], "python")
        self.machine_parts = (kernel, image, tap)

    async def _start(self):
        self.echo = await EchoServer().start(ECHO, ECHO6)
        port = {"driver": "ethdev", "device": CARD, "address": f"{PEEL}/24", "address6": "fd99::1/64",
                "gateway": "10.99.0.254", "exit_ports": "20000-29999"}
        machine = PeelMachine(PEEL, PORT, EXIT_FLAGS, [(PYTHON, PORT)], *self.machine_parts,
                              {"port": port, "exit": {"policy": "any"}})
        python = Peer(PYTHON, PORT, flags=EXIT_FLAGS, walk_to=[(PEEL, PORT)], name="python relay")
        self.origin = Peer(ORIGIN, PORT, flags=(), walk_to=[(PEEL, PORT), (PYTHON, PORT)],
                           name="originator", settings={"max_circuits": 0})
        for relay in (machine, python):
            self.started.append(relay)
            self.relays.append(await relay.start())
        self.started.append(self.origin)
        await self.origin.start()
        self.keys = [(await relay.info())["key"] for relay in self.relays]

    async def table(self):
        """Counters of Peel and of its port."""
        status = await self.relays[0].status()
        return {**counters(status), **status["port"]}


async def card(world):
    """Peel has the card from vfio-pci, behind an IOMMU."""
    found = world.relays[0].card
    if found[:3] != EXPECTED or len(found) != 4:
        raise AssertionError(f"the machine has {found}, not {EXPECTED} in an IOMMU group")
    return " ".join(found)


async def echo(world, path, host, sizes, any_shape=False):
    """Datagrams of these sizes over a circuit of its own, all answered, and all by this echo server."""
    circuit = await world.origin.build([world.keys[i] for i in path])
    before = await world.echo_received()
    # An exit queues only a few datagrams while its socket opens.
    scenarios.complete(await world.origin.echo(circuit, host, world.echo_port, [2], 1, 20.0))
    result = await world.origin.echo(circuit, host, world.echo_port, sizes, 16, 20.0, any_shape)
    note = scenarios.complete(result)
    if await world.echo_received() - before != len(sizes) + 1:
        raise AssertionError("the echo server did not see them all")
    await world.origin.destroy(circuit)
    return note


def fragmented(sizes):
    """How many datagrams that Peel sends are too long for one frame. It receives as many."""
    return sum((size + beside > 1472) + (size > whole) for size in sizes for beside, whole in SHAPE.values())


async def exits(world, sizes):
    """Peel as an exit on a circuit of one hop, over IPv4 and IPv6; its counters agree to the last datagram."""
    before = await world.table()
    for host in SHAPE:
        await echo(world, [0], host, sizes, any_shape=True)
    after = await world.table()
    sent, in_fragments = 2 * (len(sizes) + 1), fragmented(sizes)
    expected = {"cells_exited": sent, "cells_returned": sent,
                "datagrams_fragmented": in_fragments, "datagrams_reassembled": in_fragments}
    for name in drops(after):
        expected[f"drop_{name}"] = 0
    wrong = [f"{name} rose by {after[name] - before[name]}, not {count}"
             for name, count in expected.items() if after[name] - before[name] != count]
    if wrong:
        raise AssertionError("; ".join(wrong))
    return f"{sent} datagrams, {in_fragments} in fragments each way"


async def run(options):
    runner = Runner()
    world = GuestWorld(options.kernel, options.image, options.tap)
    sizes = sorted({*range(1, 1401, 5), 2, 3, 1399, 1400})

    async def boot():
        await world.__aenter__()

    async def turn_off():
        await world.relays[0].stop()

    await runner.case("boots, and Peel is ready", boot, timeout=170)
    if runner.failed:
        return runner.summary()
    try:
        await runner.case("card on vfio-pci", card, world)
        await runner.case("discovery", scenarios.discovery, world)
        await runner.case("exit, IPv4 and IPv6", exits, world, sizes)
        await runner.case("exit, fragments", exits, world, FRAGMENTED * 10)
        await runner.case("first of two hops", echo, world, [0, 1], ECHO, sizes[1::4])
        await runner.case("last of two hops", echo, world, [1, 0], ECHO, sizes[1::4])
        await runner.case("destroys leave no circuit", world.empty)
        await runner.case("Peel ends, the machine turns off", turn_off)
        if runner.failed:
            print(f"the machine's log:\n{world.relays[0].log_tail()}")
    finally:
        await world.close()
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="guest")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--image", required=True, help="file system, made by image")
    parser.add_argument("--tap", required=True, help="interface for the machine's network card")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
