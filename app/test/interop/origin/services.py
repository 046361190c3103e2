# SPDX-License-Identifier: BSD-3-Clause
"""What exits do for a circuit beside data: speed tests of both forms, and HTTP requests to trackers."""

import asyncio
import base64

from ..http import ANSWERS, Tracker, get
from ..net import until
from ..peer import EXIT_HTTP
from .world import EXIT_FLAGS, RELAY_FLAGS, TEST_NAME, OriginWorld

HTTP_FLAGS = EXIT_FLAGS + (EXIT_HTTP,)


async def speed_tests(world):
    """19/20 at exits of all kinds, 21/22 at those that know them, of all sizes; a refused one times out."""
    by_kind = {}

    async def covered():
        for circuit in await world.origin.active(2):
            kind = world.kind_of((await world.origin.circuit(circuit))["keys"][-1])
            if kind in by_kind and circuit not in by_kind.values():
                await world.origin.close_circuit(circuit)
            by_kind.setdefault(kind, circuit)
        return len(by_kind) == 3

    await world.origin.build_tunnels(2)
    await until(covered, 20, "never an exit of each kind")
    for kind, circuit in by_kind.items():
        for rust in (False, True):
            if rust and kind == "python":
                continue
            for request, response in ((0, 1), (1, 1000), (1000, 1), (1400, 1400), (300, 300)):
                for rtt, size in await world.origin.test(circuit, rust, request, response):
                    if size != response or not 0 < rtt < 10_000_000:
                        raise AssertionError(f"{kind}, {'21/22' if rust else '19/20'}: {size} bytes in {rtt} us, "
                                             f"{response} bytes were asked for")
    # Ends with what is wrong, once: nobody answers 21 there.
    try:
        await world.origin.test(by_kind["python"], True, 10, 10)
    except RuntimeError as error:
        if "110" not in str(error):
            raise
    else:
        raise AssertionError("py-ipv8 answered a test of the Rust form")


async def http(world, tracker):
    """Requests by an exit for us: every kind of answer that may come back, those that may not, and the limit."""
    circuit = await until(lambda: world.origin.http_circuit(3), 20, "no circuit to an exit that does HTTP")
    last = (await world.origin.circuit(circuit))["keys"][-1]
    if EXIT_HTTP not in world.nodes[world.keys.index(last)][1]:
        raise AssertionError("a circuit for HTTP to an exit that does none")

    async def ask(path, host="127.0.0.1"):
        try:
            return base64.b64decode(await world.origin.http(circuit, host, tracker.port, get(path).decode()))
        except RuntimeError as error:
            return str(error)

    for path, (answer, back) in ANSWERS.items():
        if back:
            got = await ask(path)
            if got != answer:
                raise AssertionError(f"{path}: {got[:80]} ({len(got)} bytes), not {answer[:80]}")
    if await ask("/length", TEST_NAME) != ANSWERS["/length"][0]:
        raise AssertionError("no answer of a tracker with a name")
    # Five at a time, the sixth is refused; those that may not come back end with a timeout.
    results = await asyncio.gather(*[ask(path) for path in ("/page", "/moved", "/wait", "/wait", "/wait", "/length")])
    for path, result, expected in zip(("page", "moved"), results, ("110", "110")):
        if not isinstance(result, str) or expected not in result:
            raise AssertionError(f"/{path}: {result[:80]}")
    if results[2:5] != [ANSWERS["/wait"][0]] * 3:
        raise AssertionError(f"slow answers: {[r[:60] for r in results[2:5]]}")
    if not isinstance(results[5], str) or "EAGAIN" not in results[5]:
        raise AssertionError(f"a sixth request at a time: {results[5][:80]}")


async def one_world(runner, options):
    nodes = [("peel", RELAY_FLAGS), ("python", RELAY_FLAGS), ("peel", HTTP_FLAGS), ("peel", EXIT_FLAGS),
             ("python", EXIT_FLAGS), ("rust", EXIT_FLAGS)]
    tracker = await Tracker().start()
    try:
        async with OriginWorld(nodes, {"max_circuits": 4}, binary=options.peel) as world:
            await world.settle()
            await asyncio.gather(runner.case("services: HTTP", http, world, tracker),
                                 runner.case("services: speed tests", speed_tests, world))
    finally:
        tracker.close()


