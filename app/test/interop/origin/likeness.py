# SPDX-License-Identifier: BSD-3-Clause
"""Can a stock relay tell libpeel from py-ipv8? The same path is built by both, and three py-ipv8 relays write down
every datagram of the originator and every message they open."""

import asyncio
import statistics
import time

from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.anonymization.tunnel import PING_INTERVAL

from ..net import until
from ..peer import Peer
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld

NODES = [("python", RELAY_FLAGS), ("python", RELAY_FLAGS), ("python", EXIT_FLAGS)]
CREATE, EXTEND, DATA, PING, DESTROY, TEST = 2, 4, 1, 6, 8, 19
PREFIX, CELL = 22, 29  # bytes before the message id, and before a cell's message
PING_LEN = CELL + 3 + 3 * 24
PAYLOADS = [b"d" + bytes([65 + i]) * (20 + 100 * i) + b"e" for i in range(8)]


class Recorder:
    """Puts itself between the sockets of the relays and their tunnel overlays."""

    def __init__(self, relays):
        self.datagrams = []  # (source, bytes)
        self.messages = []  # opened ones
        self.pings = {}  # circuit -> when each was opened
        for relay in relays:
            self._listen(relay.tunnels)

    def _listen(self, tunnels):
        outer, inner = tunnels.crypto_endpoint.on_packet, tunnels.on_packet_from_circuit

        def on_packet(packet, *args, **kwargs):
            self.datagrams.append((tuple(packet[0][:2]), bytes(packet[1])))
            return outer(packet, *args, **kwargs)

        def on_message(source, data, circuit):
            self.messages.append(bytes(data[PREFIX:PREFIX + 1] + data[PREFIX + 5:]))
            if data[PREFIX] == PING:
                self.pings.setdefault(circuit, []).append(time.monotonic())
            return inner(source, data, circuit)
        tunnels.crypto_endpoint.on_packet = on_packet
        tunnels.on_packet_from_circuit = on_message

    def clear(self):
        self.datagrams, self.messages = [], []

    def cells(self, source):
        """(circuit, plain, early, message) of an originator, in order."""
        return [(data[PREFIX + 1:PREFIX + 5], data[27], data[28], data[CELL:])
                for come_from, data in self.datagrams if come_from == source and data[PREFIX] == 0]

    def bare(self, source, message):
        return [data for come_from, data in self.datagrams if come_from == source and data[PREFIX] == message]

    def opened(self, message):
        return [body for body in self.messages if body[0] == message]


def _masked(message):
    """Without what is random: identifier, ephemeral key."""
    if message[0] in (CREATE, EXTEND):
        return message[:1] + b"??" + message[3:81] + b"?" * 32 + message[113:]
    if message[0] in (PING, TEST):
        return message[:1] + b"??" + message[3:5] + b"?" * (len(message) - 5)
    return message


class Trace:
    """What one originator did, as the relays saw it."""

    def __init__(self, recorder, source, circuit_id):
        self.cells = [cell for cell in recorder.cells(source) if cell[0] == circuit_id]
        self.others = len(recorder.cells(source)) - len(self.cells)
        extends = recorder.opened(EXTEND)
        self.creates = [_masked(cell[3]) for cell in self.cells if cell[1]]
        self.random = [cell[3][81:113] for cell in self.cells if cell[1]] + [m[81:113] for m in extends]
        self.extends = [_masked(message) for message in extends]
        self.data = recorder.opened(DATA)
        self.pings = [_masked(message) for message in recorder.opened(PING)]
        self.tests = [_masked(message) for message in recorder.opened(TEST)]
        self.destroys = recorder.bare(source, DESTROY)
        # Pings come whenever they come.
        self.shape = [(plain, len(message)) for _, plain, _, message in self.cells
                      if CELL + len(message) != PING_LEN]

    def check(self, name, key):
        """What sections 13.6, 14 and 17 demand of anybody."""
        for number, (_, plain, early, message) in enumerate(self.cells):
            # The create is plain; early are the first eight cells, among them the extends.
            if plain != (number == 0) or early != (number < 8):
                raise AssertionError(f"{name}, cell {number}: plain {plain}, early {early}, {len(message)} bytes")
        if len(self.creates) != 1 or self.creates[0][5:79] != key or len(self.creates[0]) != 113:
            raise AssertionError(f"{name}: {len(self.creates)} creates, or not with its key")
        salts = [message[:8] for _, plain, _, message in self.cells if not plain]
        if len(set(salts)) != len(salts) or len(set(self.random)) != len(self.random):
            raise AssertionError(f"{name}: something random came twice")
        if len(self.destroys) != 1 or len(self.destroys[0]) != 169 or self.destroys[0][25:99] != key:
            raise AssertionError(f"{name}: destroys of {[len(d) for d in self.destroys]} bytes, or not with its key")
        destroy = self.destroys[0]
        if destroy[99:103] != self.cells[0][0]:
            raise AssertionError(f"{name}: a destroy of another circuit")
        signer = default_eccrypto.key_from_public_bin(key)
        if not default_eccrypto.is_valid_signature(signer, destroy[:-64], destroy[-64:]):
            raise AssertionError(f"{name}: the signature of the destroy is wrong")


async def _forgotten(world):
    async def check():
        tables = [await relay.tables() for relay in world.relays]
        return not any(table["relays"] or table["exits"] for table in tables)
    await until(check, 12, "relays still hold circuits", 0.2)


async def _of_libpeel(world, recorder):
    info = await world.origin.info()
    source = info["ip"], info["port"]
    recorder.clear()
    circuit = (await world.pool(3, 1))[0]
    about = await world.origin.circuit(circuit)
    for payload in PAYLOADS:
        if await world.origin.send(circuit, "127.0.0.1", world.echo.port, payload.hex()):
            raise AssertionError("not sent")
    await world.origin.test(circuit, False, 100, 100)
    await until(lambda: recorder.opened(PING), 10, "no ping")
    await world.origin.stop_tunnels(3)
    await until(lambda: recorder.bare(source, DESTROY), 3, "no destroy")
    key = recorder.cells(source)[0][3][5:79]
    return Trace(recorder, source, about["id"].to_bytes(4, "big")), key, about["keys"]


async def _python_peer(world, path):
    peer = Peer("127.0.0.1", 0, flags=(), walk_to=world.addresses, settings={"max_circuits": 0})
    world.started.append(peer)
    await peer.start()

    async def known():
        return set(path) <= set(await peer.candidates())

    await until(known, 10, "no candidates")
    return peer


async def _python_circuit(peer, path):
    tunnels = peer.tunnels
    steered = tunnels.create_circuit_along([peer._peer(key) for key in path])
    steered.required_exit = None  # whose address it would give; an exit of the last hop's choice has none
    if not await asyncio.wait_for(asyncio.shield(steered.ready), 10):
        raise AssertionError(f"py-ipv8 built no circuit: {steered.closing_info}")
    return steered


async def _of_python(world, recorder, path):
    peer = await _python_peer(world, path)
    tunnels = peer.tunnels
    source = ("127.0.0.1", tunnels.endpoint.get_address()[1])
    recorder.clear()
    steered = await _python_circuit(peer, path)
    circuit = steered.circuit_id
    for payload in PAYLOADS:
        tunnels.send_data(steered.hop.address, circuit, ("127.0.0.1", world.echo.port), ("0.0.0.0", 0), payload)
    await peer.speed(circuit, 100, 100, 1)
    tunnels.do_ping()
    await until(lambda: recorder.opened(PING), 10, "no ping")
    await peer.destroy(circuit)
    await until(lambda: recorder.bare(source, DESTROY), 3, "no destroy")
    return Trace(recorder, source, circuit.to_bytes(4, "big")), tunnels.my_peer.public_key.key_to_bin()


def _same(what, mine, theirs):
    def text(value):
        return value.hex()[:300] if isinstance(value, bytes) else str(value)
    if mine != theirs:
        raise AssertionError(f"{what} differ: libpeel {list(map(text, mine))}, py-ipv8 {list(map(text, theirs))}")


async def likeness(world):
    """Creates, extends, data, pings, speed tests and destroys are the same but for what is random."""
    recorder = Recorder(world.relays)
    mine, my_key, path = await _of_libpeel(world, recorder)
    await _forgotten(world)
    theirs, their_key = await _of_python(world, recorder, path)
    mine.check("libpeel", my_key)
    theirs.check("py-ipv8", their_key)
    if len(mine.data) != len(PAYLOADS) or len(mine.extends) != 2 or not mine.tests:
        raise AssertionError(f"{len(mine.data)} data, {len(mine.extends)} extends, {len(mine.tests)} tests seen")
    # The sender's key is its own in each.
    _same("creates", [message.replace(my_key, their_key) for message in mine.creates], theirs.creates)
    _same("extends", mine.extends, theirs.extends)
    _same("data", mine.data, theirs.data)
    _same("pings", mine.pings[:1], theirs.pings[:1])
    _same("test-requests", mine.tests, theirs.tests)
    _same("cells (plain, bytes)", mine.shape, theirs.shape)
    # Prefix, message id and reason; key, circuit and signature were checked.
    _same("destroys", *[[trace.destroys[0][:25], trace.destroys[0][103:105]] for trace in (mine, theirs)])
    if mine.others:
        raise AssertionError(f"{mine.others} cells of other circuits")
    return f"{len(mine.cells)} and {len(theirs.cells)} cells"


async def rhythm(world):
    """Who sees the end of a circuit cannot tell by its pings whose it is."""
    recorder = Recorder(world.relays)
    circuit = (await world.pool(3, 1))[0]
    path = (await world.origin.circuit(circuit))["keys"]
    await _python_circuit(await _python_peer(world, path), path)
    recorder.pings = {}

    def enough():
        return len(recorder.pings) == 2 and all(len(times) > 5 for times in recorder.pings.values())

    await until(enough, 60, "no pings")
    errors = [statistics.median(abs(later - sooner - PING_INTERVAL) for sooner, later in zip(times, times[1:]))
              for times in recorder.pings.values()]
    if max(errors) > 0.1:
        raise AssertionError(f"pings are that many seconds early or late: {errors}")
    return ", ".join(f"{1000 * error:.0f} ms" for error in errors)


async def one_world(runner, options):
    settings = {"min_circuits": 1, "max_circuits": 1}
    async with OriginWorld(NODES, settings, binary=options.peel) as world:
        await world.settle()
        await runner.case("likeness: as py-ipv8 does", likeness, world)
        if not options.quick:
            await runner.case("likeness: rhythm of pings", rhythm, world)
