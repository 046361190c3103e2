# SPDX-License-Identifier: BSD-3-Clause
"""Introduction and rendezvous points: squatted keys and cookies, floods of them and at every entry, lists full of one
attacker, values of the DHT that are none, and what joined circuits may do. Meanwhile an honest service is reached again
and again."""

import asyncio
import contextlib
import os
import socket
import threading
import time

from ipv8.dht import DHTError
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.anonymization.pex import PexCommunity, PexSettings
from ipv8.peerdiscovery.network import Network

from interop.dht_cases import DhtWorld
from interop.net import free_ports, own_address, until
from interop.peer import Peer, new_key, public_key
from interop.runner import Skipped
from interop.status import counters
from interop.world import EXIT_FLAGS, World

from ._circuit import PREFIX, Circuit, create

DATA, DESTROY, ESTABLISH_INTRO, ESTABLISH_RENDEZVOUS, CREATE_E2E, LINK, PEERS = 1, 8, 9, 11, 13, 15, 17
NOWHERE = b"\x01\0\0\0\0\0\0"
PLACES = 100
DHT_PREFIX = b"\x00\x02" + bytes.fromhex("8d0be1845d74d175f178197cad001591d04d73cc")


def pex_prefix(info_hash):
    return b"\x00\x02" + (int.from_bytes(info_hash, "big") + 1).to_bytes(20, "big")


def address(host, port):
    return b"\x01" + socket.inet_aton(host) + port.to_bytes(2, "big")


def data_to(host, port, payload):
    """The message that has an exit send this."""
    return bytes([DATA]) + address(host, port) + NOWHERE + payload


def create_e2e(info_hash, key):
    return (PREFIX + bytes([CREATE_E2E]) + os.urandom(2) + info_hash + b"\x00\x4a" + key + b"\x00\x20" + os.urandom(32))


def establish_intro(info_hash, key):
    return bytes([ESTABLISH_INTRO]) + os.urandom(2) + info_hash + b"\x00\x4a" + key


@contextlib.asynccontextmanager
async def world(build, tunnel=None, relays=1, **options):
    """Relays that know their address and a py-ipv8 node, through which they learnt it."""
    settings = {"tunnel": {"max_joined_circuits": PLACES, **(tunnel or {})}}
    async with World(["peel"] * relays, "python", f"{build}/app/peel/peel", peel_overrides=settings,
                     exit_flags=EXIT_FLAGS, **options) as w:
        await w.settle()

        async def offered():
            return (await w.relays[0].status())["hidden_services"]["offered"]

        await until(offered, 20.0, "the relay does not know its own address")
        yield w


async def hidden(w):
    return (await w.relays[0].status())["hidden_services"]


class Service:
    """A seeder with circuits of one hop, and those who come to it. Every circuit is a neighbour of its own."""

    def __init__(self, w, net):
        self.relay, self.key, self.net, self.count = (w.relays[0].ip, w.relays[0].port), w.keys[0], net, 0
        self.info_hash, self.seeder_key = os.urandom(20), public_key(new_key())
        self.introduction = None

    def circuit(self):
        self.count += 1
        return Circuit(self.relay, self.key, f"127.{self.net}.{self.count // 250}.{self.count % 250 + 1}")

    async def introduce(self):
        """True once the relay is the introduction point."""
        circuit = self.circuit()
        if await circuit.join() and await circuit.ask(establish_intro(self.info_hash, self.seeder_key)):
            self.introduction = circuit
            return True
        circuit.close()
        return False

    async def heard(self, datagram, origin, timeout=3.0):
        """Does the seeder get this?"""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            cell = await self.introduction.receive(left)
            message = self.introduction.open(cell) if cell else b""
            if message[:1] == bytes([DATA]) and message[15:] == datagram and message[8:15] == address(*origin):
                return True
        return False

    async def ask(self):
        """A create-e2e from a host that nobody knows reaches the seeder."""
        self.count += 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((f"127.{self.net}.{self.count // 250}.{self.count % 250 + 1}", 0))
            datagram = create_e2e(self.info_hash, self.seeder_key)
            sock.sendto(datagram, self.relay)
            return await self.heard(datagram, sock.getsockname())

    async def join(self):
        """Two circuits that are joined, or None."""
        cookie = os.urandom(20)
        ends = self.circuit(), self.circuit()
        if (await ends[0].join() and await ends[0].ask(bytes([ESTABLISH_RENDEZVOUS]) + os.urandom(2) + cookie)
                and await ends[1].join() and await ends[1].ask(bytes([LINK]) + os.urandom(2) + cookie)):
            return ends
        for end in ends:
            end.close()
        return None

    async def meet(self):
        """Seconds that it took to be heard and joined, with data both ways, or None."""
        start = time.monotonic()
        if not await self.ask():
            return None
        ends = await self.join()
        if ends is None:
            return None
        try:
            for a, b in (ends, ends[::-1]):
                if not await passes(a, b, b"\x01" + os.urandom(700)):
                    return None
        finally:
            for end in ends:
                end.close()
        return time.monotonic() - start

    async def keep(self):
        """As a seeder does, so that the circuit lives; it shall be heard meanwhile."""
        while True:
            self.introduction.send(b"\x06" + os.urandom(2))
            await asyncio.sleep(7.5)


async def passes(a, b, message, timeout=2.0):
    """Does this message of one joined circuit come out of the other?"""
    a.send(message)
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        cell = await b.receive(left)
        if cell and b.open(cell) == message:
            return True
    return False


async def beside(service, attack, share=0.9):
    """Meet while the attack lasts, then until it works again. A note with both, or an error below that share."""
    keeper = asyncio.ensure_future(service.keep())
    try:
        task, met = asyncio.ensure_future(attack), []
        while not task.done():
            met.append(await service.meet())
            await asyncio.sleep(1.0)  # what is left of it has a place for 25 s
        told = task.result()
        start = time.monotonic()
        await until(service.meet, 30.0, "the service did not recover")
        times = sorted(seconds for seconds in met if seconds is not None)
        note = (f"{told}; met {len(times)} of {len(met)} times"
                + (f", median {times[len(times) // 2] * 1000:.0f} ms" if times else "")
                + f"; recovered in {time.monotonic() - start:.1f} s")
        if len(times) < share * len(met):
            raise AssertionError(note)
        return note
    finally:
        keeper.cancel()


# ---- floods ---------------------------------------------------------------------------------------------------------

class Rain:
    """Datagrams of random content at every entry, each from one of a hundred hosts, on a thread of its own."""

    def __init__(self, relay, info_hash, count, rate):
        self.relay, self.count, self.rate, self.sent = relay, count, rate, 0
        pex = [pex_prefix(info_hash) + bytes([i]) for i in (231, 232, 233, 234, 245, 246, 249, 250)]
        dht = [DHT_PREFIX + bytes([i]) for i in range(1, 11)]
        # As many at each entry, one after the other.
        self.entries = [pex, [PREFIX + bytes([CREATE_E2E])], [PREFIX + bytes([PEERS])], dht,
                        [PREFIX + b"\x0e", PREFIX + b"\x12"]]
        self.stop = threading.Event()

    def run(self):
        with contextlib.ExitStack() as stack:
            socks = []
            for number in range(100):
                sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                sock.bind((f"127.91.0.{number + 1}", 0))
                socks.append(sock)
            key = public_key(new_key())
            start = time.monotonic()
            while self.sent < self.count and not self.stop.is_set():
                while self.sent < min(self.count, (time.monotonic() - start) * self.rate):
                    entry = self.entries[self.sent * len(self.entries) // self.count]
                    head = entry[self.sent % len(entry)]
                    # Every other one is well-formed as far as a key and a signature.
                    body = (b"\x00\x4a" + key if self.sent % 2 else b"") + os.urandom(self.sent % 300)
                    socks[self.sent % 100].sendto(head + body, self.relay)
                    self.sent += 1
                self.stop.wait(0.002)


async def random_datagrams(build, count=500_000, rate=20_000):
    """A hundred thousand each at a PEX prefix, at create-e2e, peers-request and their answers, and at the DHT: nothing is
    learnt, and others are served."""
    async with world(build) as w:
        service = Service(w, 80)
        if not await service.introduce():
            raise AssertionError("not introduced")
        rain = Rain(service.relay, service.info_hash, count, rate)
        before, start = await w.relays[0].cpu(), time.monotonic()

        async def attack():
            try:
                await asyncio.to_thread(rain.run)
            finally:
                rain.stop.set()
            load = (await w.relays[0].cpu() - before) / (time.monotonic() - start)
            return f"{rain.sent} datagrams, {load:.0%} of a CPU"

        note = await beside(service, attack())
        now = await hidden(w)
        if now["introductions"] != 1 or now["pex_peers"] or now["pex_listed"] or now["searches"]:
            raise AssertionError(f"{note}; {now}")
        return note


async def greedy_circuits(service, ips, each, message, answered):
    """Circuits from these hosts, each of which sends what `message` makes until it is told no."""
    circuits = []
    for number in range(each * len(ips)):
        circuit = Circuit(service.relay, service.key, ips[number % len(ips)])
        circuits.append(circuit)
        if not await circuit.join(1.0):
            continue
        while await circuit.ask(message(), 0.3):
            answered[0] += 1
    return circuits


async def flood_of_promises(build, kind, name, ips):
    """More keys or cookies than there are places for: others have theirs, and the limits hold."""
    async with world(build) as w:
        service, late, answered = Service(w, 80), Service(w, 81), [0]
        if not await service.introduce():
            raise AssertionError("not introduced")

        def message():
            if kind == ESTABLISH_INTRO:
                return establish_intro(os.urandom(20), public_key(new_key()))
            return bytes([kind]) + os.urandom(22)

        circuits = []

        async def attack():
            circuits.extend(await greedy_circuits(service, ips, 45 // len(ips), message, answered))
            now = await hidden(w)
            if now["introductions"] > PLACES or now["waiting_cookies"] > PLACES or now["pex_overlays"] > PLACES:
                raise AssertionError(f"limits: {now}")
            for _ in range(50):  # and on, without waiting for answers
                for circuit in circuits:
                    if circuit.keys:
                        circuit.send(message())
                    circuit.drain()
                await asyncio.sleep(0.1)
            start = time.monotonic()
            await until(late.introduce, 60.0, "nobody else is introduced", 0.5)
            return (f"{answered[0]} {name} of {len(ips)} hosts; another seeder was introduced after "
                    f"{time.monotonic() - start:.1f} s")

        try:
            note = await beside(service, attack(), 0.8)
        finally:
            for circuit in circuits:
                circuit.close()
        start = time.monotonic()

        async def gone():
            now = await hidden(w)
            return now["introductions"] <= 2 and now["pex_overlays"] <= 2

        await until(gone, 60.0, "what the attacker left behind stays", 0.5)
        return f"{note}; all of it was forgotten in {time.monotonic() - start:.1f} s"


async def one_neighbour_of_keys(build):
    return await flood_of_promises(build, ESTABLISH_INTRO, "keys", ["127.92.0.1"])


async def many_neighbours_of_keys(build):
    return await flood_of_promises(build, ESTABLISH_INTRO, "keys", [f"127.92.1.{i + 1}" for i in range(15)])


async def one_neighbour_of_cookies(build):
    return await flood_of_promises(build, ESTABLISH_RENDEZVOUS, "cookies", ["127.92.0.1"])


# ---- lies -----------------------------------------------------------------------------------------------------------

async def squatted(build):
    """W12: a key or cookie that another circuit brought stays with it, for the honest and for the liar."""
    async with world(build) as w:
        service = Service(w, 80)
        liar = Circuit(service.relay, service.key, "127.93.0.1")
        try:
            if not await service.introduce() or not await liar.join():
                raise AssertionError("no circuits")
            if await liar.ask(establish_intro(service.info_hash, service.seeder_key), 1.0):
                raise AssertionError("a second circuit got the key")
            if await service.meet() is None:
                raise AssertionError("the seeder is not heard any more")
            cookie = bytes([ESTABLISH_RENDEZVOUS]) + os.urandom(22)
            honest = service.circuit()
            if not await honest.join() or not await honest.ask(cookie):
                raise AssertionError("no rendezvous point")
            if await liar.ask(cookie, 1.0):
                raise AssertionError("a second circuit got the cookie")
            other = service.circuit()
            if not await other.join() or not await other.ask(bytes([LINK]) + cookie[1:]):
                raise AssertionError("not joined")
            if not await passes(other, honest, b"\x01" + os.urandom(100)):
                raise AssertionError("joined to the liar")
            # A squatter that was first is in the way at this introduction point only until its circuit ends.
            service.introduction.close()
            start = time.monotonic()

            async def again():
                return await service.introduce()

            await until(again, 60.0, "the key stays lost", 0.5)
            return f"a seeder whose circuit died had its key back after {time.monotonic() - start:.1f} s"
        finally:
            liar.close()


async def create_inside_data(build):
    """W2: only hidden service datagrams leave in data, none of them becomes a circuit, and none opens the relay's host."""
    ip = own_address()
    if ip is None:
        raise Skipped("no address but loopback")
    async with world(build, ip=ip) as w:
        service = Service(w, 80)
        inside = Circuit(service.relay, service.key, ip)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as local:
            local.bind((ip, 0))
            local.setblocking(False)
            port = local.getsockname()[1]
            try:
                if not await inside.join():
                    raise AssertionError("no circuit")
                before = counters(await w.relays[0].status())
                joined = (await w.relays[0].status())["circuits"]
                payloads = [create(7, b"ab", inside.hop, os.urandom(32)),
                            PREFIX + b"\x08" + os.urandom(150),
                            *(PREFIX + bytes([i]) + os.urandom(150) for i in (231, 234, 245, 246, 250))]
                for payload in payloads:
                    for to in (service.relay, (ip, port), ("127.0.0.1", w.echo_port)):
                        inside.send(data_to(*to, payload))
                for i in (CREATE_E2E, 14, PEERS, 18):
                    inside.send(data_to(ip, port, PREFIX + bytes([i]) + os.urandom(150)))
                await asyncio.sleep(1)
                after = counters(await w.relays[0].status())
                now = (await w.relays[0].status())["circuits"]
                with contextlib.suppress(BlockingIOError):
                    raise AssertionError(f"{local.recv(4096)[22:24].hex()} reached a service of the relay's host")
                refused = after.get("drop_policy", 0) - before.get("drop_policy", 0)
                if refused != 3 * len(payloads) or now["exits"] != joined["exits"] or await w.echo_received():
                    raise AssertionError(f"{refused} of {3 * len(payloads)} refused; {joined} before, {now} after")
                return f"{refused} refused"
            finally:
                inside.close()


async def list_of_one_attacker(build):
    """Attackers in a PEX overlay that name new seeders without end: who was there before stays in the answers."""
    ports = free_ports(3)
    async with world(build) as w:
        service = Service(w, 80)
        if not await service.introduce():
            raise AssertionError("not introduced")
        peers = [Peer("127.0.0.1", port, flags=()) for port in ports]
        asker = service.circuit()
        honest_key = public_key(new_key())
        keeper = asyncio.ensure_future(service.keep())
        try:
            points = []
            for number, peer in enumerate(peers):
                await peer.start()
                pex = PexCommunity(PexSettings(my_peer=peer.tunnels.my_peer, endpoint=peer.tunnels.endpoint,
                                               network=Network(), info_hash=service.info_hash))
                points.append(pex)
                pex.start_announce(honest_key if number == 0 else public_key(new_key()))
                pex.walk_to(service.relay)
                await until(lambda pex=pex: pex.get_peers(), 10.0, "the relay does not answer in the overlay")

                async def listed(count=number + 1):
                    return (await hidden(w))["pex_listed"] >= count

                await until(listed, 10.0, "a point is not listed")
            named = set()
            for _ in range(60):
                for pex in points[1:]:
                    pex.intro_points_for = [public_key(new_key()) for _ in range(10)]
                    named.update(pex.intro_points_for)
                    pex.walk_to(service.relay)
                await asyncio.sleep(0.35)  # the relay asks who names a new one
            questions = 60
            seen = {"own": 0, "honest": 0, "attackers": 0}
            for number in range(questions):
                if number % 10 == 0:  # as many as a circuit may ask at once
                    asker.close()
                    asker = service.circuit()
                    if not await asker.join():
                        raise AssertionError("no circuit")
                answer = await asker.ask(bytes([PEERS]) + os.urandom(2) + service.info_hash)
                keys = [answer[24 + i * 162:24 + (i + 1) * 162][87:161] for i in range((len(answer) - 24) // 162)]
                if not 1 <= len(keys) <= 7:
                    raise AssertionError(f"{len(keys)} told")
                seen["own"] += service.seeder_key in keys
                seen["honest"] += honest_key in keys
                seen["attackers"] += sum(key in named for key in keys)
            now = await hidden(w)
            note = (f"{len(named)} keys named, {now['pex_listed']} listed; of {questions} answers "
                    f"{seen['own']} have the relay's own seeder, {seen['honest']} the honest point's")
            if now["pex_listed"] != 20 or min(seen["own"], seen["honest"]) < questions / 8 or not seen["attackers"]:
                raise AssertionError(note)
            return note
        finally:
            keeper.cancel()
            asker.close()
            for peer in peers:
                await peer.stop()


async def dht_values(build):
    """A signed value that is forged, or older than what is known, is not stored; what was there is found as before."""
    async with DhtWorld("peel", 2, f"{build}/app/peel/peel") as w:
        first, second = w.peers
        target = os.urandom(20)
        old = first.dht.serialize_value(b"old", sign=True)
        await asyncio.sleep(1.1)  # versions are seconds
        new = first.dht.serialize_value(b"new", sign=True)
        forged = bytearray(first.dht.serialize_value(b"forged", sign=True))
        forged[-1] ^= 1
        signed_by_other = bytearray(second.dht.serialize_value(b"other", sign=True))
        at = signed_by_other.index(second.dht.my_peer.public_key.key_to_bin())
        signed_by_other[at:at + 74] = first.dht.my_peer.public_key.key_to_bin()

        async def store(value):
            with contextlib.suppress(DHTError):  # no answer is an answer
                await second.dht.store_on_nodes(target, [bytes(value)], [w.node])

        second.dht.add_value = lambda *_, **__: None  # it would look at its own lies
        await w.ask(second, target)  # the token that a store needs comes with an answer
        await store(new)
        for value in (forged, signed_by_other, old, new[:40], b"\x02" + os.urandom(100)):
            await store(value)
        found = await w.ask(second, target)
        if found != [new]:
            raise AssertionError(f"{len(found or [])} values at the relay: {found}")
        # A token is for the address and key that got it.
        target = os.urandom(20)
        first.dht.tokens[w.node.id] = second.dht.tokens[w.node.id]
        with contextlib.suppress(DHTError):
            await first.dht.store_on_nodes(target, [first.dht.serialize_value(b"plain")], [w.node])
        if found := await w.ask(second, target):
            raise AssertionError(f"stored with another's token: {found}")


# ---- joined circuits ------------------------------------------------------------------------------------------------

def destroy(circuit, private):
    """A destroy as the circuit's neighbour signs it."""
    key = default_eccrypto.key_from_private_bin(private)
    message = PREFIX + bytes([DESTROY]) + b"\x00\x4a" + circuit.key + circuit.circuit_id.to_bytes(4, "big") + b"\x00\x04"
    return message + key.signature(message)


async def destroyed(circuit, timeout=3.0):
    """Is the circuit's neighbour told that it has ended?"""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        data = await circuit.receive(left)
        if data and data.startswith(PREFIX + bytes([DESTROY])) and circuit.circuit_id.to_bytes(4, "big") in data:
            return True
    return False


async def joined_circuits(build):
    """Never an exit again, never another link, and they end together: whichever is told, or when they are silent. Their
    age does not matter, as they are relayed now; that of an exit does."""
    async with world(build, tunnel={"max_time": 6, "max_time_inactive": 8, "remove_tunnel_delay": 1}) as w:
        service = Service(w, 80)
        relay = w.relays[0]
        used = service.circuit()
        keys = [new_key(), new_key()]
        make = service.circuit

        def known():
            circuit = make()
            circuit.private = keys[service.count % 2]
            circuit.key = public_key(circuit.private)
            return circuit

        service.circuit = known
        try:
            # Data has left: never a link.
            if not await used.join():
                raise AssertionError("no circuit")
            used.send(data_to("127.0.0.1", w.echo_port, b"d" + os.urandom(40) + b"e"))
            await until(lambda: used.drain() > 0, 5.0, "no echo")
            waiting = service.circuit()
            cookie = os.urandom(20)
            if not await waiting.join() or not await waiting.ask(bytes([ESTABLISH_RENDEZVOUS]) + os.urandom(2) + cookie):
                raise AssertionError("no rendezvous point")
            if await used.ask(bytes([LINK]) + os.urandom(2) + cookie, 1.0):
                raise AssertionError("linked after data has left")
            if await waiting.ask(bytes([LINK]) + os.urandom(2) + cookie, 1.0):
                raise AssertionError("linked to itself")

            for turn in range(2):
                ends = await service.join()
                if ends is None:
                    raise AssertionError("not joined")
                a, b = ends[turn], ends[1 - turn]
                heard = await w.echo_received()
                for message in (data_to("127.0.0.1", w.echo_port, b"d" + os.urandom(40) + b"e"),
                                bytes([LINK]) + os.urandom(2) + cookie, b"\x06ab", b"\x13ab\x00\x64",
                                establish_intro(os.urandom(20), public_key(keys[0]))):
                    if not await passes(a, b, message):
                        raise AssertionError(f"message {message[0]} does not pass")
                if await w.echo_received() != heard or (await hidden(w))["introductions"]:
                    raise AssertionError("a joined circuit acted as exit")
                a.sock.sendto(destroy(a, a.private), a.relay)
                if not await destroyed(b):
                    raise AssertionError("the other end is not told")

                async def ended():
                    return (await relay.status())["circuits"]["rendezvous"] == 0

                await until(ended, 6.0, "joined circuits outlive their destroy")
                for end in ends:
                    end.close()

            ends, alone = await service.join(), service.circuit()
            if not await alone.join():
                raise AssertionError("no circuit")
            start = time.monotonic()
            while time.monotonic() - start < 18:
                if not await passes(*ends, b"\x06" + os.urandom(2), 1.0):
                    raise AssertionError(f"they ended after {time.monotonic() - start:.1f} s")
                alone.send(b"\x06ab")
                await asyncio.sleep(0.5)
            alone.drain()
            if await alone.ping(1.0):
                raise AssertionError("an exit outlived max_time")
            start = time.monotonic()
            await until(ended, 20.0, "silent circuits stay")
            return f"used for 18 s, with max_time 6 s; ended {time.monotonic() - start:.1f} s after the last cell"
        finally:
            used.close()


CASES = [("random datagrams at every entry", random_datagrams),
         ("seeder keys from one neighbour", one_neighbour_of_keys),
         ("seeder keys from many neighbours", many_neighbours_of_keys),
         ("cookies from one neighbour", one_neighbour_of_cookies),
         ("a squatted key, a squatted cookie", squatted),
         ("create inside data", create_inside_data),
         ("a list full of one attacker", list_of_one_attacker),
         ("forged and old values in the DHT", dht_values),
         ("joined circuits", joined_circuits)]
