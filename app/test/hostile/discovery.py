# SPDX-License-Identifier: BSD-3-Clause
"""Who strangers are, where they are, and what they make a node send: introductions and punctures."""

import asyncio
import hashlib
import random
import socket
import time

from ipv8.keyvault.crypto import default_eccrypto

from interop.net import free_ports, until
from interop.peelproc import PeelNode
from interop.peer import DEFAULT_COMMUNITY
from interop.status import counters

from .process import ask, peel

PREFIX = b"\x00\x02" + bytes.fromhex(DEFAULT_COMMUNITY)
DHT = b"\x00\x02" + bytes.fromhex("8d0be1845d74d175f178197cad001591d04d73cc")
DHT_PONG = 2
RESPONSE, REQUEST, PUNCTURE, PUNCTURE_REQUEST = 245, 246, 249, 250
NOBODY = bytes(6)
FLAGS = b"\x00\x09"
BODY = 22 + 1 + 2 + 74 + 8  # where the body of a signed message begins
SIGNATURE = 64


def packed(address):
    return socket.inet_aton(address[0]) + address[1].to_bytes(2, "big")


class Key:
    def __init__(self):
        self.key = default_eccrypto.generate_key("curve25519")
        self.public = self.key.pub().key_to_bin()
        self.mid = hashlib.sha1(self.public).hexdigest()

    def sign(self, message, body):
        data = PREFIX + bytes([message]) + len(self.public).to_bytes(2, "big") + self.public
        data += random.randbytes(8) + body
        return data + self.key.signature(data)

    def dht_ping(self):
        data = DHT + b"\x01" + len(self.public).to_bytes(2, "big") + self.public + random.randbytes(4)
        return data + self.key.signature(data)

    def request(self, to, identifier=None):
        identifier = random.randbytes(2) if identifier is None else identifier
        return self.sign(REQUEST, packed(to) + NOBODY * 2 + b"\x01" + identifier + FLAGS)

    def response(self, request, seen):
        """The answer to a request that came from `seen`."""
        identifier = request[BODY + 19:BODY + 21]
        return self.sign(RESPONSE, packed(seen) + NOBODY * 4 + b"\x10" + identifier + FLAGS)


def messages(datagrams, message):
    return [data for data, _ in datagrams if data[:22] == PREFIX and data[22] == message]


class Stranger(asyncio.DatagramProtocol):
    """A socket on loopback with a key. It answers what the node asks, if it should, and keeps what came."""

    def __init__(self, ip, answers=True):
        self.ip, self.answers, self.key = ip, answers, Key()
        self.transport, self.inbox = None, []

    async def open(self):
        self.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(self.ip, 0))
        return self

    @property
    def address(self):
        return self.transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data, addr):
        self.inbox.append((data, addr))
        if data[:22] == PREFIX and data[22] == REQUEST:
            self.asked(data, addr)

    def asked(self, data, addr):
        if self.answers:
            self.transport.sendto(self.key.response(data, addr), addr)

    def send(self, data, to):
        self.transport.sendto(data, to)

    def bytes_received(self):
        total = sum(len(data) for data, _ in self.inbox)
        self.inbox.clear()
        return total

    def close(self):
        self.transport.close()


class Middle(Stranger):
    """Asked by the node, it asks V with the same identifier, and hands V's answer on."""

    def __init__(self, ip, victim):
        super().__init__(ip)
        self.victim, self.node, self.handed_on = victim, None, 0

    def asked(self, data, addr):
        self.node = addr
        self.send(self.key.request(self.victim.address, data[BODY + 19:BODY + 21]), self.victim.address)

    def datagram_received(self, data, addr):
        super().datagram_received(data, addr)
        if addr == self.victim.address and data[22] == RESPONSE and self.node:
            self.send(data, self.node)
            self.handed_on += 1


class Node:
    """A relay alone, without bootstrap addresses."""

    def __init__(self, build, overrides=None):
        self.node = PeelNode("127.0.0.1", free_ports(1)[0], binary=peel(build), overrides=overrides)
        self.address = ("127.0.0.1", self.node.port)

    async def __aenter__(self):
        await self.node.start()
        return self

    async def __aexit__(self, *_):
        await self.node.stop()

    async def peers(self):
        """Member id -> address of who answered the node."""
        return {row["mid"]: row["address"] for row in await ask(self.node, "peers") if row["candidate"]}

    async def counters(self):
        return counters(await ask(self.node))


def sources():
    """Addresses that nobody else here uses, each once."""
    number = 0
    while True:
        number += 1
        yield f"127.{100 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


async def forge(to, datagrams, rate, seconds):
    """Each from a source of its own; returns how many a second it were."""
    begin, sent = time.monotonic(), 0
    where = sources()
    while time.monotonic() < begin + seconds:
        while sent < (time.monotonic() - begin) * rate:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((next(where), 0))
                sock.sendto(datagrams[sent % len(datagrams)], to)
            sent += 1
        await asyncio.sleep(0.005)
    return sent / seconds


async def newcomers(build, rate, count=60, seconds=24):
    """Honest nodes that come one by one, under a load of forged requests that begins before them."""
    async with Node(build) as node:
        # A key for each, as a key has one place at most in any table.
        forged = [Key().request(node.address) for _ in range(rate * (seconds + 6))]
        load = asyncio.create_task(forge(node.address, forged, rate, seconds + 6))
        came = []
        try:
            await asyncio.sleep(4)
            for i in range(count):
                stranger = await Stranger(f"127.50.{i}.1").open()
                came.append(stranger)
                stranger.send(stranger.key.request(node.address), node.address)
                await asyncio.sleep((seconds - 4) / count)
            await asyncio.sleep(2)
            answered = sum(bool(messages(stranger.inbox, RESPONSE)) for stranger in came)
            peers = await node.peers()
            confirmed = sum(stranger.key.mid in peers for stranger in came)
            achieved = await load
        finally:
            load.cancel()
            for stranger in came:
                stranger.close()
        note = f"{achieved:.0f} forged a second: {answered} of {count} answered, {confirmed} became peers"
        if min(answered, confirmed) < 0.95 * count:
            raise AssertionError(note)
        return note


async def newcomers_180(build):
    """Ten times the rate that once shut out everybody new."""
    return await newcomers(build, 180)


async def newcomers_400(build):
    return await newcomers(build, 400)


async def man_in_the_middle(build):
    """V's signed answers, handed on by M, do not make the node believe that V is there, whether V comes itself or not."""
    async with Node(build) as node:
        victim = await Stranger("127.60.0.1").open()
        middle = await Middle("127.60.0.2", victim).open()
        try:
            for second in range(24):
                for key in (middle.key, victim.key):  # M's own request and one that V signed once
                    middle.send(key.request(node.address), node.address)
                if second >= 12 and second % 4 == 0:
                    victim.send(victim.key.request(node.address), node.address)
                await asyncio.sleep(1)
                where = (await node.peers()).get(victim.key.mid)
                if where == "%s:%d" % middle.address:
                    raise AssertionError("V is believed to be where M is")
            if middle.handed_on < 3:
                raise AssertionError("M was hardly asked: nothing was tested")
            if where != "%s:%d" % victim.address:
                raise AssertionError(f"V, who answers itself, is believed at {where}")
            foreign = (await node.counters())["intro_foreign"]
            return f"{middle.handed_on} answers handed on, {foreign} refused"
        finally:
            middle.close()
            victim.close()


async def amplification(build):
    """Who does not answer gets 2.1 times its bytes at first contact, and 1.1 times in any 10 s after that."""
    async with Node(build) as node:
        friend = await Stranger("127.70.0.1").open()
        silent = await Stranger("127.70.0.2", answers=False).open()
        try:
            async def is_peer():
                return friend.key.mid in await node.peers()

            friend.send(friend.key.request(node.address), node.address)
            await until(is_peer, 5, "a friend to introduce did not become a peer")
            request = silent.key.request(node.address)
            silent.send(request, node.address)
            await asyncio.sleep(12)
            first = silent.bytes_received() / len(request)
            worst = 0.0
            for _ in range(2):
                for _ in range(40):
                    silent.send(silent.key.request(node.address), node.address)
                    await asyncio.sleep(0.2)
                await asyncio.sleep(1.5)
                worst = max(worst, silent.bytes_received() / (40 * len(request)))
            introductions = len(messages(friend.inbox, PUNCTURE_REQUEST))
            note = f"{first:.2f} times at first contact, {worst:.2f} later; {introductions} puncture-requests in 31 s"
            if first > 2.1 or worst > 1.1 or introductions > 4:
                raise AssertionError(note)
            return note
        finally:
            friend.close()
            silent.close()


async def punctures(build):
    """A stranger makes a node send nothing into its own network, and one puncture in 10 s elsewhere."""
    public = ("203.0.113.7", 7777)
    overrides = {"discovery": {"public_address": "%s:%d" % public}}
    async with Node(build, overrides) as node:
        stranger = await Stranger("127.80.0.1", answers=False).open()
        local = await Stranger("127.0.0.1", answers=False).open()
        elsewhere = [await Stranger(f"127.80.1.{i + 1}", answers=False).open() for i in range(10)]
        try:
            for i in range(240):
                own = packed((public[0], 9999))
                for lan, wan in ((packed(local.address), own), (NOBODY, packed(elsewhere[i % 10].address))):
                    stranger.send(PREFIX + bytes([PUNCTURE_REQUEST]) + random.randbytes(8) + lan + wan +
                                  random.randbytes(2), node.address)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            inside = len(messages(local.inbox, PUNCTURE))
            outside = sum(len(messages(sink.inbox, PUNCTURE)) for sink in elsewhere)
            note = f"480 requests in 12 s: {inside} punctures to loopback, {outside} to others"
            if inside or outside > 2:
                raise AssertionError(note)
            return note
        finally:
            for sink in (stranger, local, *elsewhere):
                sink.close()


async def replayed_dht_pings(build, rate=5000):
    """A relay waits 5 s with an extend when we do not answer its DHT ping: one ping, replayed, must not cost it that."""
    async with Node(build) as node:
        friend = await Stranger("127.81.0.1").open()
        recorded = Key().dht_ping()
        forgers = [await Stranger(f"127.82.{i >> 8}.{i & 255}", answers=False).open() for i in range(1, 401)]
        try:
            async def is_peer():
                return friend.key.mid in await node.peers()

            friend.send(friend.key.request(node.address), node.address)
            await until(is_peer, 5, "a friend did not become a peer")

            async def flood():
                sent, start = 0, time.monotonic()
                while True:
                    while sent < rate * (time.monotonic() - start):
                        forgers[sent % len(forgers)].send(recorded, node.address)
                        sent += 1
                    await asyncio.sleep(0.005)

            attack = asyncio.ensure_future(flood())
            await asyncio.sleep(2)
            asked, answered = 20, 0
            for _ in range(asked):
                friend.inbox.clear()
                friend.send(friend.key.dht_ping(), node.address)
                await asyncio.sleep(0.5)
                answered += any(data[:22] == DHT and data[22] == DHT_PONG for data, _ in friend.inbox)
            attack.cancel()
            note = f"{rate} replayed a second: {answered} of {asked} of a known node answered"
            if answered < 0.95 * asked:
                raise AssertionError(note)
            return note
        finally:
            for stranger in (friend, *forgers):
                stranger.close()


CASES = [
    ("newcomers under forged requests, 180/s", newcomers_180),
    ("newcomers under forged requests, 400/s", newcomers_400),
    ("a man in the middle", man_in_the_middle),
    ("bytes for a source that does not answer", amplification),
    ("punctures at a stranger's wish", punctures),
    ("replayed DHT pings", replayed_dht_pings),
]
