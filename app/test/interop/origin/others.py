# SPDX-License-Identifier: BSD-3-Clause
"""What a node of libpeel does for others, as its settings allow: used by a py-ipv8 originator."""

import asyncio

from ..net import free_ports, until
from ..peer import EXIT_BT, RELAY, SPEED_TEST, Peer
from ..scenarios import complete
from .world import echo_server, originator


class Pair:
    """One node of libpeel, and a py-ipv8 originator that knows it."""

    def __init__(self, settings, flags):
        self.settings, self.flags = settings, flags
        self.started = []

    async def __aenter__(self):
        try:
            return await self._start()
        except BaseException:
            await self.__aexit__()
            raise

    async def _start(self):
        mine, theirs = [("127.0.0.1", port) for port in free_ports(2)]
        self.echo = await echo_server("127.0.0.1")
        self.node = originator([theirs], {"listen": "%s:%d" % mine, **self.settings})
        self.started.append(self.node)
        await self.node.start()
        self.peer = Peer(*theirs, flags=(), walk_to=[mine], settings={"max_circuits": 0})
        self.started.append(self.peer)
        await self.peer.start()

        async def known():
            for key, flags in (await self.peer.candidates()).items():
                if flags == sum(self.flags):
                    return key
            return None

        self.key = await until(known, 10, f"no candidate with the flags {self.flags}")
        return self

    async def __aexit__(self, *_):
        for thing in reversed(self.started):
            await thing.stop()
        self.echo.close()

    async def echoes(self, sizes=(2, 100, 1400), any_shape=False):
        """How many of these datagrams come back over a circuit that ends at the node."""
        circuit = await self.peer.build([self.key], timeout=5)
        result = await self.peer.echo(circuit, "127.0.0.1", self.echo.port, list(sizes), timeout=0.7,
                                      any_shape=any_shape)
        await self.peer.destroy(circuit)
        return result["received"]


async def joining():
    """No more circuits than max_joined_circuits, and again as many when they are gone."""
    async with Pair({"peer_flags": RELAY, "max_joined_circuits": 3, "remove_tunnel_delay": 1}, [RELAY]) as pair:
        for _ in range(2):
            circuits = await pair.peer.build_many([pair.key], 5, timeout=1.5)
            if len(circuits) != 3:
                raise AssertionError(f"{len(circuits)} circuits joined, the limit is 3")
            for circuit in circuits:
                await pair.peer.destroy(circuit)

            async def empty():
                return (await pair.node.status())["circuits"]["exits"] == 0

            await until(empty, 5, "circuits stay")
        refused = (await pair.node.counters())["create_refused_limit"]
        if refused != 4:
            raise AssertionError(f"{refused} creates refused, there were 4")


async def exiting():
    """Data leaves only with become_exitnode or an exit flag, and only what the exit settings let out."""
    exit_flags = [RELAY, EXIT_BT]
    for settings, flags, expected in (
            ({"peer_flags": RELAY | SPEED_TEST, "exit_loopback": True}, [RELAY, SPEED_TEST], 0),
            ({"peer_flags": RELAY, "become_exitnode": True}, exit_flags, 0),
            ({"peer_flags": RELAY, "become_exitnode": True, "exit_loopback": True}, exit_flags, 3),
            ({"peer_flags": RELAY | EXIT_BT, "exit_loopback": True}, exit_flags, 3)):
        async with Pair(settings, flags) as pair:
            got = await pair.echoes()
            if got != expected or pair.echo.received != expected:
                raise AssertionError(f"{settings}: {pair.echo.received} out, {got} back, expected {expected}")
    for any_payload in (False, True):
        async with Pair({"peer_flags": RELAY, "become_exitnode": True, "exit_loopback": True,
                         "exit_any_payload": any_payload}, exit_flags) as pair:
            got = await pair.echoes([1, 4], any_shape=True)
            if got != (2 if any_payload else 0):
                raise AssertionError(f"exit_any_payload = {any_payload}: {got} of 2 datagrams")


async def nothing():
    """Without flags nobody's circuit is joined."""
    async with Pair({"peer_flags": 0}, []) as pair:
        if await pair.peer.build_many([pair.key], 2, timeout=1.5):
            raise AssertionError("a node without flags joined a circuit")


async def both():
    """Own circuits and those of others over one node, at once."""
    settings = {"peer_flags": RELAY | SPEED_TEST, "become_exitnode": True, "exit_loopback": True, "max_circuits": 2}
    async with Pair(settings, [RELAY, EXIT_BT, SPEED_TEST]) as pair:
        user = originator([((await pair.node.info())["ip"], (await pair.node.info())["port"])], {"max_circuits": 2})
        pair.started.append(user)
        await user.start()
        await user.build_tunnels(1)
        mine = await until(lambda: user.active(1), 10, "no circuit of one libpeel to the other")
        theirs = await pair.peer.build([pair.key])
        results = await asyncio.gather(
            user.echo(mine[0], "127.0.0.1", pair.echo.port, list(range(2, 1400, 7))),
            pair.peer.echo(theirs, "127.0.0.1", pair.echo.port, list(range(2, 1400, 7))))
        for result in results:
            complete(result)
        await pair.peer.speed(theirs, count=3)
        times = await user.test(mine[0], request=300, response=800, count=3)
        if any(size != 800 for _, size in times):
            raise AssertionError(f"speed test: {times}")


async def one_world(runner, _options):
    await runner.case("others: max_joined_circuits", joining)
    await runner.case("others: no flags", nothing)
    await runner.case("others: exits", exiting)
    await runner.case("others: own circuits at the same time", both)
