# SPDX-License-Identifier: BSD-3-Clause
"""Who chooses the path: a first hop whose candidate list names its friends only."""

import asyncio
import time

from ipv8.messaging.anonymization.payload import CreatePayload

from interop.net import free_ports, stop_all, until
from interop.origin.world import EXIT_FLAGS, RELAY_FLAGS, originator
from interop.peer import Peer

HONEST = [RELAY_FLAGS, RELAY_FLAGS, EXIT_FLAGS, EXIT_FLAGS]
FRIENDS = [RELAY_FLAGS, EXIT_FLAGS, EXIT_FLAGS]


class Gang:
    """A py-ipv8 relay, its friends, honest relays, and an originator that has not heard of the friends."""

    def __init__(self):
        self.started, self.boss, self.friends, self.origin = [], None, [], None

    async def __aenter__(self):
        try:
            await self._start()
        except BaseException:
            await stop_all(self.started, ())
            raise
        return self

    async def __aexit__(self, *_):
        await stop_all(self.started, ())

    async def _peer(self, port, flags, walk_to, name):
        peer = Peer("127.0.0.1", port, flags=flags, walk_to=walk_to, name=name,
                    settings={"max_joined_circuits": 1000})
        self.started.append(peer)
        return await peer.start()

    async def _start(self):
        ports = free_ports(1 + len(HONEST) + len(FRIENDS))
        known = [("127.0.0.1", port) for port in ports[:1 + len(HONEST)]]
        hidden = [("127.0.0.1", port) for port in ports[1 + len(HONEST):]]
        self.boss = await self._peer(ports[0], RELAY_FLAGS, known[1:] + hidden, "boss")
        for i, flags in enumerate(HONEST):
            await self._peer(ports[1 + i], flags, known[:1 + i] + known[2 + i:], f"honest {i + 1}")
        for (_, port), flags in zip(hidden, FRIENDS):
            self.friends.append(await self._peer(port, flags, known[:1], f"friend of port {port}"))
        self._recruit(set(hidden))
        for overlay in [overlay for peer in self.started for overlay in peer.ipv8.overlays]:
            overlay.get_peer_for_introduction = lambda *args, **kwargs: None  # nobody tells of the friends
        self.origin = originator(known, {"max_circuits": 8})
        self.started.append(self.origin)
        await self.origin.start()

    def _recruit(self, hidden):
        """The boss offers its friends, and loses what is to go to others."""
        tunnels = self.boss.tunnels
        candidates, send = tunnels.get_candidates, tunnels.send_cell

        def get_candidates(*flags):
            return [peer for peer in candidates(*flags) if tuple(peer.address[:2]) in hidden]

        def send_cell(address, payload):
            if not self.strict or not isinstance(payload, CreatePayload) or tuple(address[:2]) in hidden:
                send(address, payload)
        tunnels.get_candidates, tunnels.send_cell = get_candidates, send_cell
        self.strict = False

    async def settle(self):
        async def known():
            return await self.origin.candidate_count("relay") == 1 + len(HONEST) and \
                await self.origin.candidate_count("exit_bt") == 2 and \
                len(self.boss.tunnels.get_candidates()) == len(FRIENDS)
        await until(known, 20, "not everybody is known", 0.2)


async def owned(gang, hops, wanted, seconds):
    """(circuits that began at the boss, those of them that are wholly its own)."""
    own = {(await peer.info())["key"] for peer in [gang.boss, *gang.friends]}
    boss = (await gang.boss.info())["key"]
    begun = mine = 0
    end = time.monotonic() + seconds
    await gang.origin.build_tunnels(hops)
    while begun < wanted and time.monotonic() < end:
        for circuit, keys in (await gang.origin.paths(hops)).items():
            begun += keys[0] == boss
            mine += keys[0] == boss and own.issuperset(keys)
            await gang.origin.close_circuit(int(circuit))
        await asyncio.sleep(0.1)
    await gang.origin.stop_tunnels(hops)
    return begun, mine


async def offers_its_friends(_build):
    """No circuit is wholly a first hop's own because it names nobody else."""
    notes = []
    async with Gang() as gang:
        await gang.settle()
        for hops in (2, 3):
            begun, mine = await owned(gang, hops, 20, 12)
            notes.append(f"{hops} hops: {mine} of {begun}")
            if begun < 5:
                raise AssertionError(f"{hops} hops: only {begun} circuits began there")
            if mine:
                raise AssertionError(f"{hops} hops: {mine} of {begun} circuits were wholly its own")
    return ", ".join(notes)


async def loses_the_others(_build):
    """... nor because nobody else can be reached through it; and circuits begin elsewhere soon."""
    async with Gang() as gang:
        await gang.settle()
        gang.strict = True

        async def full():
            return len(await gang.origin.active(2)) == 8

        await gang.origin.build_tunnels(2)
        await until(full, 60, "never as many circuits as wanted", 0.2)
        boss = (await gang.boss.info())["key"]
        if any(keys[0] == boss for keys in (await gang.origin.paths(2)).values()):
            raise AssertionError("a circuit got through it")
        begun = (await gang.origin.counters())["own_circuits_begun"]
        return f"{begun} circuits begun for 8, none was its own"


CASES = [("a first hop offers only its friends", offers_its_friends),
         ("a first hop loses what is not for its friends", loses_the_others)]
