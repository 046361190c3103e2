# SPDX-License-Identifier: BSD-3-Clause
"""Sends nodes what no honest node sends, at a modest rate, for as long as it lives."""

import asyncio
import os
import random
import socket
import struct
import time
from collections import Counter

from hostile._circuit import CELL, HEADER, PREFIX, Circuit, cell, create

from ..peer import new_key, public_key

TICK_S = 0.1
SOCKETS = 40
HUGE = 65000  # bytes of a datagram: nearly the most that UDP has
JOINED_S = 20  # an own circuit lives so long
KEPT = 200  # real datagrams for each target
CREATES = 40  # in a flood
OTHER_PREFIXES = [b"\x00\x02" + bytes.fromhex(community) for community in (
    "7e313685c1912a141279f8248fc8db5899c5df5a", "8d0be1845d74d175f178cad001591d04d73440f8")]  # discovery, DHT


class Target:
    def __init__(self, port, key):
        self.port, self.key = port, key
        self.sent, self.owed = Counter(), 0.0
        self.real, self.circuits = [], []  # datagrams that others sent it; ids of circuits that it knows


class Stranger:
    """`rate`: datagrams a second to each target."""

    def __init__(self, rate, seed=1):
        self.rate, self.random = rate, random.Random(seed)
        self.targets, self.before = {}, {}
        self.key = public_key(new_key())
        self.kinds = [self.noise, self.short, self.prefixed, self.unknown, self.known, self.plain, self.truncated,
                      self.mutated, self.lengths, self.huge, self.creates]
        self.weights = [10, 5, 10, 10, 20, 10, 12, 18, 4, 1, 0.15]

    async def start(self):
        self.sockets = []
        for _ in range(SOCKETS):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.bind(("127.%d.%d.%d" % tuple(self.random.randint(2, 250) for _ in range(3)), 0))
            self.sockets.append(sock)
        self.own_ports = {sock.getsockname()[1] for sock in self.sockets}
        try:
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self.tap.bind(("lo", 0))
            self.tap.setblocking(False)
        except PermissionError:
            self.tap = None  # then there are copies of own cells alone
        self.tasks = [asyncio.ensure_future(work()) for work in (self._send, self._join, self._listen)]
        return self

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        for sock in self.sockets:
            sock.close()

    async def aim(self, targets):
        """From now on at these: name: (port, key)."""
        for name, (port, key) in targets.items():
            old = self.targets.get(name)
            if not old or old.port != port:
                self.targets[name] = Target(port, key)
                if old:  # the place of a node that left
                    self.targets[name].sent = old.sent
        for name in set(self.targets) - set(targets):
            self.before[name] = self.targets.pop(name).sent

    async def sent(self):
        """Of each target: kind: how many."""
        return {**self.before, **{name: dict(target.sent) for name, target in self.targets.items()}}

    async def _send(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for target in list(self.targets.values()):
                target.owed += (now - last) * self.rate
                while target.owed >= 1:
                    kind = self.random.choices(self.kinds, self.weights)[0]
                    for data in kind(target):
                        try:
                            self.random.choice(self.sockets).sendto(data, ("127.0.0.1", target.port))
                        except OSError:
                            continue  # nobody listens any more
                        target.sent[kind.__name__] += 1
                        target.owed -= 1
            last = now

    async def _join(self):
        """Circuits of its own, for ids that the target knows and for cells that it can open."""
        while True:
            for target in list(self.targets.values()):
                circuit = Circuit(("127.0.0.1", target.port), target.key, "127.0.0.%d" % self.random.randint(2, 250))
                try:
                    if await circuit.join(2.0):
                        target.circuits = [*target.circuits[-3:], circuit.circuit_id]
                        self._keep(target, circuit.seal(b"\x06" + os.urandom(2)))
                        self._keep(target, circuit.seal(b"\x07" + os.urandom(200)))
                except Exception:  # it gives up on this one: the target may be gone
                    pass
                finally:
                    circuit.close()
                await asyncio.sleep(JOINED_S / max(1, len(self.targets)))
            await asyncio.sleep(0.5)

    def _keep(self, target, data):
        if len(target.real) >= KEPT:
            target.real.pop(self.random.randrange(KEPT))
        target.real.append(data)

    async def _listen(self):
        """Now and then, a sample of what others send."""
        while self.tap:
            await asyncio.sleep(2)
            by_port = {target.port: target for target in self.targets.values()}
            for _ in range(400):
                try:
                    frame = self.tap.recv(4096)
                except BlockingIOError:
                    break
                ip = frame[14:]
                if len(ip) < 28 or ip[9] != socket.IPPROTO_UDP:
                    continue
                udp = ip[(ip[0] & 15) * 4:]
                source, port, length = struct.unpack_from("!HHH", udp)
                if port in by_port and source not in self.own_ports and 8 < length <= len(udp):
                    self._keep(by_port[port], udp[8:length])

    # What it sends: each gives datagrams.

    def _any(self, most):
        return self.random.randbytes(self.random.randint(1, most))

    def _real(self, target):
        return self.random.choice(target.real) if target.real else CELL + self._any(100)

    def _known_id(self, target):
        cells = [data for data in self.random.sample(target.real, min(10, len(target.real)))
                 if data.startswith(CELL) and len(data) > HEADER]
        ids = [int.from_bytes(data[23:27], "big") for data in cells] + target.circuits
        return self.random.choice(ids) if ids else 1

    def _message(self):
        """Of any number, known or not."""
        return bytes([self.random.choice((0, 1, 2, 3, 4, 5, 6, 7, 19, 20, 21, 22, 28, 29, 31, 33,
                                          self.random.randint(0, 255)))]) + self._any(600)

    def noise(self, _):
        return [self._any(1472)]

    def short(self, _):
        whole = self.random.choice([PREFIX, CELL, *OTHER_PREFIXES]) + bytes(8)
        return [whole[:self.random.randint(0, len(whole))]]

    def prefixed(self, _):
        return [self.random.choice([PREFIX, *OTHER_PREFIXES]) + self._message()]

    def unknown(self, _):
        return [cell(self.random.getrandbits(32), 0, self.random.randint(0, 1), self._any(1200))]

    def known(self, target):
        return [cell(self._known_id(target), 0, self.random.randint(0, 1), self._any(1200))]

    def plain(self, target):
        known = self.random.random() < 0.7
        circuit = self._known_id(target) if known else self.random.getrandbits(32)
        return [cell(circuit, self.random.randint(1, 255), self.random.randint(0, 255), self._message())]

    def truncated(self, target):
        data = self._real(target)
        return [data[:self.random.randrange(len(data))]]

    def mutated(self, target):
        data = bytearray(self._real(target))
        for _ in range(self.random.choice((1, 1, 2, 8, 30))):
            at = self.random.randrange(len(data))
            data[at] ^= 1 << self.random.randrange(8)
        data[self.random.randrange(len(data))] ^= 0x55  # whatever the bits did
        return [bytes(data)]

    def lengths(self, target):
        """Length fields that promise more than there is."""
        message = self._message()[:20] + b"\xff" * self.random.randint(1, 40) + self._any(30)
        return [self.random.choice([PREFIX, *OTHER_PREFIXES]) + message, cell(self._known_id(target), 1, 1, message)]

    def huge(self, target):
        start = self.random.choice((b"", PREFIX, CELL, CELL + struct.pack("!IBB", self._known_id(target), 0, 0),
                                    CELL + struct.pack("!IBB", self.random.getrandbits(32), 1, 1) + b"\x02"))
        return [start + bytes(self.random.randint(1500, HUGE))]

    def creates(self, _):
        return [create(self.random.getrandbits(32), os.urandom(2), self.key, os.urandom(32)) for _ in range(CREATES)]
