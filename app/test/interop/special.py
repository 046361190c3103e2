# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios that need a world of their own: a dead hop, a flood of rubbish, a long quiet time."""

import asyncio
import os
import random
import socket
import time

from .echo import EchoServer, payload
from .net import own_address, until
from .peer import RELAY
from .runner import Skipped
from .scenarios import complete
from .status import counters
from .world import TEST_NAME, World

_TUNNEL_PREFIX = b"\x00\x02" + bytes.fromhex("81ded07332bdc775aa5a46f96de9f8f390bbc9f3")

# Every counter that says a datagram led to nothing begins with one of these.
_REFUSED = ("drop_", "create_refused", "extend_refused", "destroy_refused", "intro_unsolicited", "intro_foreign",
            "bad_signature", "control_malformed", "control_rate", "control_unknown")


async def dead_hop(relay, origin, binary):
    """A listed candidate that never answers a create: the originator tries again with another one."""
    # The dead one has the lower place in nobody's list: repeat until it was tried at least once.
    settings = {"next_hop_timeout": 2, "circuit_timeout": 20}
    async with World([relay, relay, relay], origin, binary, origin_settings=settings,
                     extra=[("python", (RELAY,), True)]) as world:
        await world.settle()
        retried = 0
        for _ in range(12):
            start = time.monotonic()
            circuit, path = await world.origin.build_free(3, world.keys[2])
            if world.keys[3] in path:
                raise AssertionError("a circuit through the dead hop")
            retried += time.monotonic() - start > 1.5
            complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [100, 1000]))
            await world.origin.destroy(circuit)
            await asyncio.sleep(0.1)
            if retried >= 2:
                break
        if not retried:
            raise AssertionError("the dead hop was never chosen: nothing was tested")
        return f"{retried} retries"


async def stays_candidate(relay, origin, binary):
    """After more than a minute with no circuit the relay is still listed: it answers liveness pings."""
    async with World([relay, relay, relay], origin, binary) as world:
        await world.settle()
        # Stop our own introductions, which would refresh the relays in the originator's list.
        world.origin.walker.cancel()
        await asyncio.sleep(75)
        await world.settle(timeout=1.0)
        circuit = await world.origin.build(world.keys)
        complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [2, 700, 1400]))


async def restart(relay, origin, binary):
    """A relay that stops and comes back with the same key and port is used again."""
    async with World([relay, relay, relay], origin, binary) as world:
        await world.settle()
        await world.origin.build(world.keys)
        middle = world.relays[1]
        await middle.stop()
        await middle.start()
        circuit = await world.origin.build(world.keys)
        complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [2, 700, 1400]))


def _samples(circuit_ids, rng):
    """Datagrams to mutate: cells on circuits that exist, plain cells, control messages."""
    cells = []
    for circuit_id in circuit_ids:
        header = _TUNNEL_PREFIX + b"\x00" + circuit_id.to_bytes(4, "big")
        cells.append(header + b"\x00\x00" + rng.randbytes(24 + 200))
        cells.append(header + b"\x00\x01" + rng.randbytes(24 + 1300))
        cells.append(header + b"\x01\x00\x02" + rng.randbytes(2) + b"\x00\x4aLibNaCLPK:" + rng.randbytes(64)
                     + b"\x00\x20" + rng.randbytes(32))
        cells.append(header + b"\x01\x00\x03" + rng.randbytes(160))
    for overlay in (_TUNNEL_PREFIX, b"\x00\x02" + bytes.fromhex("7e313685c1912a141279f8248fc8db5899c5df5a"),
                    b"\x00\x02" + bytes.fromhex("8d0be1845d74d175f178197cad001591d04d73cc")):
        for message in (1, 3, 7, 8, 13, 14, 17, 18, 231, 232, 233, 234, 245, 246, 249, 250):
            cells.append(overlay + bytes([message]) + b"\x00\x4aLibNaCLPK:" + rng.randbytes(64 + 8 + 30 + 64))
            cells.append(overlay + bytes([message]) + rng.randbytes(40))
    return cells


def _mutate(sample, rng):
    data = bytearray(sample)
    for _ in range(rng.randrange(4)):
        kind = rng.randrange(4)
        at = rng.randrange(len(data)) if data else 0
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 40))
        elif data:
            data[at] = rng.choice((0, 1, 255))
    return bytes(data[:2000])


async def rubbish(relay, origin, binary, count=100_000, rate=20_000):
    """A hundred thousand random and mutated datagrams at a relay with live circuits."""
    rng = random.Random(int(os.environ.get("PEEL_TEST_SEED", "7")))
    async with World([relay, relay, relay], origin, binary) as world:
        await world.settle()
        circuits = [await world.origin.build(world.keys) for _ in range(3)]
        # One circuit only for data: a Rust originator would choose among several by itself.
        for circuit in circuits[1:]:
            if origin == "rust":
                await world.origin.destroy(circuit)
        target = ("127.0.0.1", world.relays[0].port)
        samples = _samples(circuits, rng)
        before = await _counters(world.relays[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sent = 0
            while sent < count:
                for _ in range(100):
                    if rng.random() < 0.2:
                        data = rng.randbytes(rng.randrange(0, 1500))
                    else:
                        data = _mutate(rng.choice(samples), rng)
                    sock.sendto(data, target)
                    sent += 1
                # The loop must also serve the Python relays; the bounded rate keeps socket buffers short.
                await asyncio.sleep(100 / rate)
        await asyncio.sleep(1.0)
        complete(await world.origin.echo(circuits[0], world.echo_ip, world.echo_port, [2, 700, 1400] * 20))
        after = await _counters(world.relays[0])
        if before is None:
            return f"{sent} sent"
        received, dropped = after[0] - before[0], after[1] - before[1]
        # Some rubbish is well-formed (an unknown but valid ping, say) and is answered, not dropped.
        if received < 0.95 * sent:
            raise AssertionError(f"the relay counted {received} of {sent} datagrams")
        if dropped < 0.5 * received:
            raise AssertionError(f"only {dropped} of {received} datagrams are accounted for as dropped")
        return f"{sent} sent, {received} received, {dropped} dropped"


async def _counters(relay):
    """(datagrams received, datagrams refused for any reason) of a Peel relay."""
    if relay.kind != "peel":
        return None
    table = counters(await relay.status())
    refused = sum(value for name, value in table.items() if name.startswith(_REFUSED))
    return table["rx_datagrams"], refused


async def own_addresses(relay, origin, binary):
    """An exit does not send to the addresses of its own machine, of all its interfaces, unless it may."""
    ip = own_address()
    if ip is None:
        raise Skipped("no address but loopback")
    echo = await EchoServer().start(ip)
    try:
        for allowed in (False, True):
            async with World([relay], origin, binary, peel_overrides={"exit": {"allow_own": allowed}}) as world:
                await world.settle()
                circuit = await world.origin.build(world.keys)
                complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [100]))
                result = await world.origin.echo(circuit, ip, echo.port, [100] * 3, timeout=1.0)
                if result["received"] != (3 if allowed else 0):
                    raise AssertionError(f"allow_own = {allowed}: {result['received']} of 3 answers from {ip}")
    finally:
        echo.close()
    return ip


async def slow_names(relay, origin, binary):
    """Names that nobody resolves: what waits for them is bounded per circuit, and other traffic goes on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        dns = {"exit": {"dns_servers": "127.0.0.1:%d" % deaf.getsockname()[1], "queue": 64}}
        async with World([relay], origin, binary, peel_overrides=dns) as world:
            await world.settle()
            circuit = await world.origin.build(world.keys)
            complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [100]))
            before = (await world.relays[0].status())["memory"]["buffers_in_use"]
            hop = world.origin.tunnels.circuits[circuit].hop.address
            for number in range(64):
                for name in range(10):
                    world.origin.tunnels.send_data(hop, circuit, (f"slow{name}.peel.test", 9), ("0.0.0.0", 0),
                                                   payload(100, number))
                await asyncio.sleep(0.005)
            status = await world.relays[0].status()
            waiting = status["memory"]["buffers_in_use"] - before
            if not 32 <= waiting <= 64 + 64:
                raise AssertionError(f"{waiting} buffers wait for names, the queue holds 64")
            complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [2, 700, 1400]))

            async def given_up():
                table = counters(await world.relays[0].status())
                return table["drop_resolve"] >= 64

            await until(given_up, 15.0, "datagrams still wait for names", 0.5)
            return f"{waiting} waited"


async def full_relay(relay, origin, binary, limit=20):
    """A relay that was full takes as many circuits again as soon as the old ones are gone, not some time later."""
    settings = {"workers": {"idle": "poll"}, "tunnel": {"max_joined_circuits": limit, "remove_tunnel_delay": 1}}
    async with World([relay], origin, binary, peel_overrides=settings) as world:
        await world.settle()
        exit_relay = world.relays[0]

        async def empty():
            return not (await exit_relay.tables())["exits"]

        for _ in range(4):
            for circuit in await world.origin.build_many([world.keys[0]], limit):
                await world.origin.destroy(circuit)
            await until(empty, 5.0, "circuits stayed", 0.005)
        refused = counters(await exit_relay.status())["create_refused_limit"]
        if refused:
            raise AssertionError(f"{refused} creates refused while there was room")


async def names_of_all(relay, origin, binary, limit=40):
    """Each circuit of a full exit may send to names, the last one too."""
    async with World([relay], origin, binary, peel_overrides={"tunnel": {"max_joined_circuits": limit}}) as world:
        await world.settle()
        for circuit in await world.origin.build_many([world.keys[0]], limit):
            complete(await world.origin.echo(circuit, TEST_NAME, world.echo_port, [2]))
        return f"{limit} circuits"
