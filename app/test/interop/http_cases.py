# SPDX-License-Identifier: BSD-3-Clause
"""Scenarios of HTTP requests over circuits."""

import asyncio
import socket
import time

from .http import ANSWERS, HttpClient, Tracker, ask_socks, get
from .net import until
from .peer import EXIT_HTTP
from .status import counters
from .world import EXIT_FLAGS, TEST_NAME, World

HTTP_FLAGS = EXIT_FLAGS + (EXIT_HTTP,)


async def _counts(relay):
    table = counters(await relay.status())
    return [table["http_" + name] for name in ("requests", "answered", "refused", "failed")]


def _check(path, answer):
    want = ANSWERS[path][0] if ANSWERS[path][1] else None
    if answer != want:
        raise AssertionError(f"{path}: {answer[:80] if answer else answer!r} ({len(answer or b'')} bytes)")


def _unused_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def answers(relay, origin, binary):
    """Every kind of answer, from an address and from a name: back come those of trackers, byte for byte."""
    tracker = await Tracker().start()
    try:
        async with World([relay, relay], origin, binary, exit_flags=HTTP_FLAGS) as world:
            await world.settle()
            client = HttpClient(world.origin)
            good = [path for path, (_, back) in ANSWERS.items() if back]
            bad = [path for path, (_, back) in ANSWERS.items() if not back]
            circuit = await world.origin.build(world.keys)
            for path in good:
                _check(path, await client.ask(circuit, "127.0.0.1", tracker.port, get(path)))
            _check("/length", await client.ask(circuit, TEST_NAME, tracker.port, get("/length")))
            before = await _counts(world.relays[1])
            # Those without an answer take their time: four circuits side by side.
            circuits = await world.origin.build_many(world.keys, 4)
            asked = [client.ask(circuits[i % 4], "127.0.0.1", tracker.port, get(path), 8.0)
                     for i, path in enumerate(bad)]
            asked.append(client.ask(circuits[3], "127.0.0.1", _unused_port(), get("/length"), 8.0))
            asked.append(client.ask(circuits[3], "nowhere.peel.test", tracker.port, get("/length"), 8.0))
            for path, answer in zip(bad + ["a refused port", "no such name"], await asyncio.gather(*asked)):
                if answer is not None:
                    raise AssertionError(f"{path}: {answer[:80]!r}")
            # Circuits live on, and all was accounted for.
            for used in circuits + [circuit]:
                _check("/length", await client.ask(used, "127.0.0.1", tracker.port, get("/length")))
            after = await _counts(world.relays[1])
            if [b - a for a, b in zip(before, after)] != [len(asked) + 5, 5, 0, len(asked)]:
                raise AssertionError(f"counters went from {before} to {after}")
            return f"{len(good) + 1} answers, {len(asked)} without"
    finally:
        tracker.close()


async def limits(relay, origin, binary):
    """Five at a time per circuit, eight for all as configured; what failed at once keeps its place for a second."""
    tracker = await Tracker().start()
    try:
        async with World([relay], origin, binary, exit_flags=HTTP_FLAGS,
                         peel_overrides={"exit": {"http_requests": 8}}) as world:
            await world.settle()
            client = HttpClient(world.origin)

            async def ask(circuit, path="/wait", count=6, port=tracker.port):
                asked = [client.ask(circuit, "127.0.0.1", port, get(path), 3.0) for _ in range(count)]
                return sum(1 for answer in await asyncio.gather(*asked) if answer)

            first, second = [await world.origin.build(world.keys) for _ in range(2)]
            if await ask(first) != 5 or tracker.most != 5:
                raise AssertionError(f"{tracker.most} at a time, wanted 5 of 6")
            # The second circuit's fourth takes the place of the first one's fifth, which the server may hear of later.
            both = await asyncio.gather(ask(first), ask(second))
            if both != [4, 4] or not 8 <= tracker.most <= 9:
                raise AssertionError(f"{both} of two circuits answered, {tracker.most} at a time, wanted 4 each of 8")
            # Six at a closed port are five connections; a second later there is room again.
            before = await _counts(world.relays[0])
            scan = asyncio.ensure_future(ask(first, "/length", 6, _unused_port()))
            await asyncio.sleep(0.3)
            _, _, refused, failed = [b - a for a, b in zip(before, await _counts(world.relays[0]))]
            if (refused, failed) != (1, 5):
                raise AssertionError(f"{failed} failed and {refused} refused, wanted 5 and 1")
            await scan
            if not await ask(first, "/length", 1):
                raise AssertionError("no answer after a second")
    finally:
        tracker.close()


async def refusals(relay, origin, binary):
    """Nothing is done without exit_http, for requests that are none, or to addresses that exits refuse."""
    tracker = await Tracker().start()
    bad = (b"", b"GET / HTTP/1.1\r\n", b"EHLO me\r\n\r\n", get("/length") + b"x", get("/length") * 2,
           b"POST /length HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
    try:
        for flags, settings, wanted in ((EXIT_FLAGS, {}, 1), (HTTP_FLAGS, {}, len(bad)),
                                        (HTTP_FLAGS, {"allow_loopback": False}, 3)):
            async with World([relay], origin, binary, exit_flags=flags,
                             peel_overrides={"exit": settings}) as world:
                await world.settle()
                client = HttpClient(world.origin)
                circuit = await world.origin.build(world.keys)
                if settings:
                    asked = [(host, get("/length")) for host in ("127.0.0.1", TEST_NAME, "::ffff:127.0.0.1")]
                elif wanted > 1:
                    asked = [("127.0.0.1", request) for request in bad]
                else:
                    asked = [("127.0.0.1", get("/length"))]
                for host, request in asked:
                    if await client.ask(circuit, host, tracker.port, request, 0.2):
                        raise AssertionError(f"{host}, {request!r}: answered")

                async def refused(wanted=wanted):
                    return await _counts(world.relays[0]) == [wanted, 0, wanted, 0]

                await until(refused, 3.0, f"counters: {await _counts(world.relays[0])}, wanted {wanted}")
        if tracker.requests:
            raise AssertionError(f"{tracker.requests} connections reached the tracker")
    finally:
        tracker.close()


async def circuit_ends(relay, origin, binary):
    """A request whose circuit ends is given up, not kept for its five seconds; a relay stops in the midst of them."""
    tracker = await Tracker().start()
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    settings = {"tunnel": {"remove_tunnel_delay": 0}, "exit": {"dns_servers": "127.0.0.1:%d" % deaf.getsockname()[1]}}
    running = []
    try:
        async with World([relay], origin, binary, exit_flags=HTTP_FLAGS, peel_overrides=settings) as world:
            await world.settle()
            client = HttpClient(world.origin)
            circuit = await world.origin.build(world.keys)
            start = time.monotonic()
            asked = asyncio.ensure_future(client.ask(circuit, "127.0.0.1", tracker.port, get("/drip"), 1.0))
            await asyncio.sleep(0.3)
            await world.origin.destroy(circuit)

            async def failed():
                return (await _counts(world.relays[0]))[3] == 1

            await until(failed, 4.0, "the request goes on")
            await asked
            took = time.monotonic() - start
            # Leave with a connection open, a name being looked up, and a place kept.
            circuit = await world.origin.build(world.keys)
            for host, port in (("127.0.0.1", tracker.port), (TEST_NAME, tracker.port), ("127.0.0.1", _unused_port())):
                running.append(asyncio.ensure_future(client.ask(circuit, host, port, get("/slow"), 1.0)))
            await asyncio.sleep(0.2)
        return f"{took:.1f} s"
    finally:
        await asyncio.gather(*running)
        deaf.close()
        tracker.close()


async def rust_originator(relay, origin, binary):
    """A Rust endpoint asks through its SOCKS5 server: CONNECT, one request."""
    tracker = await Tracker().start()
    try:
        async with World([relay, relay], "rust", binary, exit_flags=HTTP_FLAGS) as world:
            await world.settle()
            await world.origin.build(world.keys)
            port = world.origin.tunnels.endpoint.create_socks5_server(0, 2)
            for path in ("/length", "/chunked", "/close", "/large"):
                answer = await ask_socks(port, "127.0.0.1", tracker.port, get(path))
                _check(path, answer)
            _check("/length", await ask_socks(port, TEST_NAME, tracker.port, get("/length")))
            if await ask_socks(port, "127.0.0.1", tracker.port, get("/page")):
                raise AssertionError("a web page came back")
    finally:
        tracker.close()
