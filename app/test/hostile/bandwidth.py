# SPDX-License-Identifier: BSD-3-Clause
"""Limits of what a relay sends: they hold, and a circuit that sends without end leaves the others their share."""

import asyncio
import os
import subprocess
import time

from interop.echo import payload
from interop.net import until
from interop.peer import EXIT_BT, RELAY
from interop.status import counters
from interop.world import World

from ._circuit import Circuit
from .services import data_to

RATE = 125_000  # 1 Mbit
BURST = 65536


def world(build, **limits):
    return World(["peel"], "python", f"{build}/app/peel/peel", exit_flags=(RELAY, EXIT_BT),
                 peel_overrides={"bandwidth": limits} if limits else {})


async def flood(circuits, host, port, rate, stop):
    """Data of 1000 bytes over each of these circuits, so many bytes per second over all of them."""
    start, sent = time.monotonic(), 0
    while not stop.is_set():
        while sent < (time.monotonic() - start) * rate:
            circuits[sent // 1000 % len(circuits)].send(data_to(host, port, payload(1000, sent)))
            sent += 1000
        await asyncio.sleep(0.005)


async def joined(node, count):
    circuits = [Circuit((node.relays[0].ip, node.relays[0].port), node.keys[0]) for _ in range(count)]
    for circuit in circuits:
        if not await circuit.join() or not await circuit.ping():
            raise AssertionError("no circuit")
    return circuits


async def modest_echoes(node, circuit, count):
    """How many of so many datagrams come back, sent one every 50 ms."""
    answers = 0
    for number in range(count):
        result = await node.origin.echo(circuit, "127.0.0.1", node.echo.port, [300], first=number, timeout=1.0)
        answers += result["received"]
        await asyncio.sleep(0.05)
    return answers


async def greedy_circuits(build, seconds=6, count=60):
    """Beside three circuits that send eight times the limit, a modest one has its answers; the sum is the limit."""
    async with world(build, exit_rate="1 Mbit/s", exit_burst=BURST) as node:
        relay = node.relays[0]
        await node.settle()
        modest = await node.origin.build(node.keys)
        greedy = await joined(node, 3)
        stop = asyncio.Event()
        task = asyncio.ensure_future(flood(greedy, "127.0.0.1", node.echo.port, 8 * RATE, stop))
        try:
            await asyncio.sleep(3)
            before, start = counters(await relay.status()), time.monotonic()
            echoed = node.echo.received
            answers = await modest_echoes(node, modest, count)
            await asyncio.sleep(max(0.0, start + seconds - time.monotonic()))
            after, took = counters(await relay.status()), time.monotonic() - start
            echoed = node.echo.received - echoed
        finally:
            stop.set()
            await task
        # What goes out and what comes back are counted, the latter as cells, which are longer.
        sent = (after["cells_exited"] - before["cells_exited"] + after["cells_returned"] - before["cells_returned"])
        size = (sent - 2 * count) * 1040 + 2 * count * 340
        dropped = after["drop_bandwidth_exit"] - before["drop_bandwidth_exit"]
        note = (f"{answers} of {count} answered, {dropped} dropped; {size / took / RATE:.2f} of the limit, "
                f"{echoed} datagrams came to the server")
        if answers < 0.95 * count or dropped < sent or size > BURST + took * RATE:
            raise AssertionError(note)
        for circuit in greedy:
            circuit.close()
        return note


async def changed_limits(build):
    """A reload sets limits and takes them away again, and circuits stay."""
    async with world(build) as node:
        relay = node.relays[0]
        await node.settle()
        os.chmod(relay.directory.name, 0o755)  # whoever root became reads the file again
        circuits = await joined(node, 2)
        with open(relay.config_path, encoding="utf-8") as file:
            unlimited = file.read()

        async def limit(text, expected):
            with open(relay.config_path, "w", encoding="utf-8") as file:
                file.write(text)
            subprocess.run([relay.binary, "reload", "-c", relay.config_path], check=True, capture_output=True)

            async def in_force():
                row = (await relay.status())["bandwidth"]["circuit"]
                return (row and row["rate"]) == expected

            await until(in_force, 10, "the limit is not in force")

        async def sent(circuit):
            """How many of two hundred datagrams leave."""
            before = counters(await relay.status())
            for number in range(200):
                circuit.send(data_to("127.0.0.1", node.echo.port, payload(1000, number)))
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.3)
            after = counters(await relay.status())
            return after["cells_exited"] - before["cells_exited"], \
                after["drop_bandwidth_circuit"] - before["drop_bandwidth_circuit"]

        for text, rate in ((unlimited, None), (unlimited + f"[bandwidth]\ncircuit_rate = 16k\ncircuit_burst = {BURST}\n", 16384),
                           (unlimited, None)):
            await limit(text, rate)
            left, dropped = await sent(circuits[0])
            if (dropped == 0) != (rate is None) or (rate is None and left < 190) or (rate and left > 120):
                raise AssertionError(f"limit {rate}: {left} left, {dropped} dropped")
        if not all([await circuit.ping() for circuit in circuits]):
            raise AssertionError("a circuit is gone")
        for circuit in circuits:
            circuit.close()


async def circuits_at_an_exit(build):
    """Datagrams and hosts of one circuit are limited from a reload on, by name too; another one does not notice."""
    async with world(build) as node:
        relay = node.relays[0]
        await node.settle()
        os.chmod(relay.directory.name, 0o755)
        modest = await node.origin.build(node.keys)
        greedy, scanner, first = await joined(node, 3)
        with open(relay.config_path, encoding="utf-8") as file:
            text = file.read()
        with open(relay.config_path, "w", encoding="utf-8") as file:
            file.write(text.replace("[exit]", "[exit]\ncircuit_packets = 50\ncircuit_destinations = 10"))
        subprocess.run([relay.binary, "reload", "-c", relay.config_path], check=True, capture_output=True)
        limits = (await relay.status())["exit_limits"]
        if limits != {"circuit_packets": 50, "circuit_destinations": 10}:
            raise AssertionError(limits)

        async def sent(circuit, hosts, count):
            """(left, dropped for datagrams, dropped for hosts) of data to so many hosts in turn."""
            before = counters(await relay.status())
            for number in range(count):
                circuit.send(data_to(f"127.0.0.{1 + number % hosts}", node.echo.port, payload(100, number)))
                if number % 20 == 19:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            after = counters(await relay.status())
            return [after[name] - before[name]
                    for name in ("cells_exited", "drop_circuit_packets", "drop_circuit_destinations")]

        # All at once, before the exit's sockets are open.
        for name, (circuit, hosts, count), (least, most), reason in (
                ("greedy", (greedy, 1, 400), (50, 150), 1),
                ("scanner", (scanner, 40, 40), (10, 10), 2),
                ("a scanner's second time", (scanner, 40, 40), (10, 10), 2),
                ("first burst", (first, 1, 50), (50, 50), None)):
            result = await sent(circuit, hosts, count)
            if not least <= result[0] <= most or sum(result) != count or any(result[i] for i in (1, 2) if i != reason):
                raise AssertionError(f"{name}: {result}")
        answers = await modest_echoes(node, modest, 20)
        if answers != 20:
            raise AssertionError(f"{answers} of 20 answers of the modest circuit")
        for circuit in (greedy, scanner, first):
            circuit.close()


CASES = [
    ("limits of circuits at an exit", circuits_at_an_exit),
    ("greedy circuits beside a modest one at a limit", greedy_circuits),
    ("limits that come and go", changed_limits),
]
