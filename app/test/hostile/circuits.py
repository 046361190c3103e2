# SPDX-License-Identifier: BSD-3-Clause
"""Circuits of others: who takes all places, all answers, all memory; and whose word is believed."""

import asyncio
import os
import socket
import time

from interop.net import until
from interop.peer import EXIT_BT, RELAY, SPEED_TEST
from interop.status import counters
from interop.world import World

from ._circuit import CREATE, EXTEND, HEADER, PREFIX, TEST_REQUEST, Circuit, Forger

FLAGS = (RELAY, EXIT_BT, SPEED_TEST)
PLACES = 100


def world(build, overrides=None, relays=1):
    """Peel relays, the first with these settings, and a py-ipv8 originator that they know."""
    settings = {"tunnel": {"max_joined_circuits": PLACES}}
    for section, values in (overrides or {}).items():
        settings.setdefault(section, {}).update(values)
    return World(["peel"] * relays, "python", f"{build}/app/peel/peel", peel_overrides=settings, exit_flags=FLAGS)


def target(relay):
    return relay.ip, relay.port


async def _strangers(relay, key, count, seconds, round_trip=0.2):
    """(begun, ready): circuits of hosts that nobody knows, used a round trip later, over so many seconds."""
    async def one(number):
        await asyncio.sleep(seconds * number / count)
        circuit = Circuit(target(relay), key, f"127.20.{number // 250}.{number % 250 + 1}")
        try:
            if not await circuit.join():
                return False
            await asyncio.sleep(round_trip)
            return await circuit.ping()
        finally:
            circuit.close()

    results = await asyncio.gather(*(one(number) for number in range(count)))
    return len(results), sum(results)


async def _known(origin, key, count, seconds):
    """The same for a py-ipv8 node that the relay knows, one circuit after the other."""
    ready = 0
    for _ in range(count):
        start = time.monotonic()
        circuits = await origin.build_many([key], 1, timeout=3.0)
        for circuit in circuits:
            await origin.destroy(circuit)
        ready += len(circuits)
        await asyncio.sleep(max(0.0, seconds / count - (time.monotonic() - start)))
    return count, ready


async def forged_creates(build, rate=400, seconds=15):
    """Creates from forged addresses leave room: ten times the rate that once closed a node."""
    async with world(build) as w:
        await w.settle()
        relay, key = w.relays[0], w.keys[0]
        with Forger(target(relay), rate) as forger:
            await asyncio.sleep(2)
            known, strangers = await asyncio.gather(_known(w.origin, key, 20, seconds),
                                                    _strangers(relay, key, 40, seconds))
        table = counters(await relay.status())
        note = (f"{forger.sent} forged; ready: {known[1]} of {known[0]} of a known node, "
                f"{strangers[1]} of {strangers[0]} of strangers; {table['circuits_displaced']} displaced")
        if known[1] < 0.95 * known[0] or strangers[1] < 0.95 * strangers[0]:
            raise AssertionError(note)
        return note


async def flood_of_creates(build, rate=4000, seconds=8, overrides=None):
    """More forged creates than a node may answer: strangers suffer, known nodes do not, the node answers questions."""
    async with world(build, overrides) as w:
        await w.settle()
        relay = w.relays[0]
        with Forger(target(relay), rate) as forger:
            await asyncio.sleep(2)
            before = await relay.cpu()
            start = time.monotonic()
            count, ready = await _known(w.origin, w.keys[0], 20, seconds)
            await relay.status(timeout=2.0)
            load = (await relay.cpu() - before) / (time.monotonic() - start)
        note = f"{forger.sent} forged; ready: {ready} of {count} of a known node; {load:.0%} of a CPU"
        if ready < 0.95 * count:
            raise AssertionError(note)
        return note


async def flood_with_helpers(build):
    """The same while helper threads compute the handshakes, at any rate: the lines alone keep the known node's turn."""
    return await flood_of_creates(build, overrides={"workers": {"handshake_threads": 2},
                                                    "tunnel": {"create_rate": "unlimited"}})


async def one_wants_all(build):
    """One host holds every place and uses what it has: others get circuits all the same."""
    async with world(build) as w:
        await w.settle()
        relay, key = w.relays[0], w.keys[0]
        greedy, joined = [], []

        async def use():
            while True:
                for circuit in joined:
                    circuit.drain()
                    circuit.send(b"\x06\x00\x01")
                await asyncio.sleep(4)

        user = asyncio.ensure_future(use())
        try:
            for _ in range(PLACES + 10):
                circuit = Circuit(target(relay), key, "127.30.0.1")
                greedy.append(circuit)
                if await circuit.join(0.3) and await circuit.ping():
                    joined.append(circuit)
                await asyncio.sleep(0.05)
            had = len(joined)
            await asyncio.sleep(5)
            count, ready = await _strangers(relay, key, 20, 5)
            user.cancel()
            left = sum(await asyncio.gather(*(circuit.ping(2.0) for circuit in joined)))
        finally:
            user.cancel()
            for circuit in greedy:
                circuit.close()
        note = f"it had {had}; ready: {ready} of {count} of others; it has {left}"
        if had < PLACES or ready < 0.95 * count:
            raise AssertionError(note)
        return note


async def replay_after_flush(build, recorded=200, flush=200_000):
    """An own circuit floods the duplicate filter, then recorded cells of another one come again."""
    async with world(build, {"workers": {"replay_filter": 65536}}) as w:
        await w.settle()
        relay, key = w.relays[0], w.keys[0]
        victim, attacker = (Circuit(target(relay), key, ip) for ip in ("127.40.0.1", "127.41.0.1"))
        try:
            if not (await victim.join() and await attacker.join() and await victim.ping()):
                raise AssertionError("no circuits")
            cells = []
            for number in range(recorded):
                cells.append(victim.send(b"\x06" + number.to_bytes(2, "big")))
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.5)
            answered = victim.drain()
            before = counters(await relay.status())
            for _ in range(flush // 100):
                for _ in range(100):
                    attacker.send(b"\xc8")  # no message, but opened before that is seen
                await asyncio.sleep(0.002)
            after = counters(await relay.status())
            flushed = after["drop_malformed"] - before["drop_malformed"]
            for data in cells:
                victim.sock.sendto(data, victim.relay)
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.5)
            passed = victim.drain()
        finally:
            victim.close()
            attacker.close()
        note = f"{flushed} cells of an own circuit; {passed} of {answered} recorded ones passed again"
        if answered < 0.95 * recorded or flushed < 100_000:
            raise AssertionError(f"not tried: {note}")
        if passed > 0.05 * answered:
            raise AssertionError(note)
        return note


async def speed_tests(build, questions=40, circuits=8):
    """Circuits that ask for speed tests without end, one after the other, leave answers to others."""
    async with world(build, {"tunnel": {"test_rate": 200}}) as w:
        await w.settle()
        relay, key = w.relays[0], w.keys[0]
        greedy = [Circuit(target(relay), key, "127.50.0.1") for _ in range(circuits)]
        honest = Circuit(target(relay), key, "127.51.0.1")
        try:
            for circuit in [*greedy, honest]:
                if not await circuit.join():
                    raise AssertionError("no circuits")

            async def flood():
                number = taken = 0
                while True:
                    for circuit in greedy:
                        for _ in range(100):
                            circuit.send(bytes([TEST_REQUEST]) + number.to_bytes(2, "big") + b"\x00\x10")
                            number = (number + 1) % 65536
                        taken += circuit.drain()
                    flood.taken = taken
                    await asyncio.sleep(0.1)

            task = asyncio.ensure_future(flood())
            await asyncio.sleep(1)
            start, answered = time.monotonic(), 0
            for number in range(questions):
                question = bytes([TEST_REQUEST]) + number.to_bytes(2, "big") + b"\x00\x64"
                answered += await honest.ask(question, 0.5) is not None
                await asyncio.sleep(max(0.0, start + number * 0.1 - time.monotonic()))
            task.cancel()
        finally:
            for circuit in [*greedy, honest]:
                circuit.close()
        note = f"{answered} of {questions} answered, {flood.taken} of {circuits} others'"
        if answered < 0.95 * questions:
            raise AssertionError(note)
        return note


async def _arrives(sock, seconds=8.0):
    """Does a create come?"""
    loop, end = asyncio.get_running_loop(), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        try:
            data = await asyncio.wait_for(loop.sock_recv(sock, 4096), left)
        except TimeoutError:
            return False
        if data.startswith(PREFIX) and data[HEADER:HEADER + 1] == bytes([CREATE]):
            return True
    return False


async def extend_where_told(build):
    """An extend with an address goes there, whatever is believed of the key; a listed key goes where it was listed."""
    async with world(build, relays=2) as w:
        await w.settle()
        relay, key = w.relays[0], w.keys[0]
        listed = bytes.fromhex(w.keys[1])
        known = bytes.fromhex((await w.origin.info())["key"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind(("127.60.0.1", 0))
            address = b"\x01" + socket.inet_aton("127.60.0.1") + sock.getsockname()[1].to_bytes(2, "big")
            circuit = Circuit(target(relay), key)
            try:
                async def offered():
                    circuit.circuit_id += 1
                    circuit.drain()
                    return await circuit.join() and len(circuit.created) > 200

                await until(offered, 10, "the other relay is not offered", 0.5)
                opened = circuit.keys.decrypt_str(circuit.created[HEADER + 69:], 0)
                if listed not in opened:
                    raise AssertionError("the other relay is not in the list")
                point = os.urandom(32)
                for hop, here in ((known, True), (listed, False)):
                    circuit.send(bytes([EXTEND]) + os.urandom(2) + b"\x00\x4a" + hop + b"\x00\x20" + point + address,
                                 early=True)
                    if await _arrives(sock, 8.0 if here else 2.0) != here:
                        raise AssertionError("the create for a key " + ("known elsewhere did not go where it was sent"
                                                                       if here else "of the list left it"))
                await until(lambda: circuit.drain() > 0, 5, "the listed node was not reached", 0.1)
            finally:
                circuit.close()


CASES = [("creates from forged addresses", forged_creates),
         ("a flood of forged creates", flood_of_creates),
         ("a flood of forged creates, helper threads", flood_with_helpers),
         ("one host wants all places", one_wants_all),
         ("replayed cells after a flood of an own circuit", replay_after_flush),
         ("speed tests without end", speed_tests),
         ("an extend goes where it says", extend_where_told)]
