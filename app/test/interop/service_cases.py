# SPDX-License-Identifier: BSD-3-Clause
"""UDP programs through `peel service publish` and `peel service connect`, and through services of `peel client`;
with stock py-ipv8 nodes at the other end, too."""

import asyncio
import hashlib
import json
import os
import socket
import tempfile

from .client import EchoClient
from .echo import EchoServer, payload
from .hidden_cases import Service
from .net import free_ports, until
from .peelclient import PeelClient, command
from .peelservice import PeelService
from .runner import raises
from .scenarios import complete
from .socks import SocksUdp
from .world import World

SIZES = [1, 2, 3, 20, 100, 500, 999, 1200, 1300]


class LocalUdp(asyncio.DatagramProtocol):
    """A program with a UDP socket of its own that talks to one port of this machine."""

    def __init__(self):
        self.on_data = lambda origin, data: None
        self.transport = None

    async def open(self, to):
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=to)
        return self

    def connection_made(self, transport):
        self.transport = transport
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 4 << 20)

    @property
    def port(self):
        return self.transport.get_extra_info("sockname")[1]

    def datagram_received(self, data, addr):
        self.on_data(addr, data)

    def send(self, data):
        self.transport.sendto(data)

    def close(self):
        self.transport.close()


class Sources(EchoServer):
    """An echo server that remembers who sent to it."""

    def __init__(self):
        super().__init__()
        self.ports = set()

    async def start(self, ip4="127.0.0.1", ip6=None, port=0):
        await super().start(ip4, ip6, port)
        protocol = self.protocols[0]
        answer = protocol.datagram_received

        def received(data, addr):
            self.ports.add(addr[1])
            answer(data, addr)

        protocol.datagram_received = received
        return self


class Setting:
    """What the cases of one world share."""

    def __init__(self, world, binary):
        self.world, self.binary = world, binary
        self.walk_to = [(relay.ip, relay.port) for relay in world.relays]
        # Beside this world may be another one with the same cases, and nodes of both may meet on loopback.
        self.only_here = os.urandom(4).hex()
        self.stopped = []

    async def service(self, what, *arguments, **keywords):
        service = PeelService(what, self.walk_to, *arguments, binary=self.binary, **keywords)
        self.stopped.append(service)
        return await service.start()

    async def publish(self, service, to, *arguments, hops=1, **keywords):
        service = await self.service("publish", "--name", f"{service} {self.only_here}", "--to", f"127.0.0.1:{to}",
                                     "--hops", str(hops), *arguments, **keywords)
        await service.introduced()
        return service

    async def connect(self, service, *arguments, hops=1, **keywords):
        service = await self.service("connect", "--name", f"{service} {self.only_here}", "--listen", "127.0.0.1:0",
                                     "--hops", str(hops), *arguments, **keywords)
        await service.connected()
        return service

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for service in reversed(self.stopped):
            await service.stop()


async def exchange(local, sizes, window=16, first=0):
    """Datagrams of these sizes from a new local program, each answered byte for byte."""
    udp = await LocalUdp().open(local)
    try:
        client = EchoClient(udp.send)
        udp.on_data = client.on_data
        return complete(await client.run(sizes, window, 20.0, True, first))
    finally:
        udp.close()


async def udp_programs(world, binary, hops):
    """All sizes one by one, then as fast as it goes: in order, and nothing lost."""
    async with Setting(world, binary) as setting:
        server = await Sources().start()
        try:
            published = await setting.publish("udp", server.port, hops=hops)
            connected = await setting.connect("udp", hops=hops)
            await exchange(connected.local, SIZES * 4)
            await exchange(connected.local, [*range(1, 1301, 7), 1400, 1599, 1600], 32, 1000)
            # One peer, so to the server all of it came from one port.
            if server.ports != set(published.ports.values()) or len(server.ports) != 1:
                raise AssertionError(f"{server.ports} sent, {published.ports} were announced")
            note = await bulk(connected.local)
        finally:
            server.close()
    return note


async def bulk(local, count=4000, size=1200, window=48):
    """Numbered datagrams come back in the order in which they were sent."""
    udp = await LocalUdp().open(local)
    seen, event = [], asyncio.Event()

    def on_data(_, data):
        seen.append(data)
        event.set()

    udp.on_data = on_data
    loop = asyncio.get_running_loop()
    begin = loop.time()
    try:
        for number in range(count):
            while number - len(seen) >= window:
                event.clear()
                await asyncio.wait_for(event.wait(), 10)
            udp.send(payload(size, number, True))
        await until(lambda: len(seen) == count, 10, f"only some of {count} came back")
    finally:
        udp.close()
    if seen != [payload(size, number, True) for number in range(count)]:
        raise AssertionError("out of order, or not what was sent")
    return f"{2 * count * size / (loop.time() - begin) / 1e6:.1f} MB/s"


async def several(world, binary):
    """Two nodes are two ports of the server, and two programs of one node never share a peer."""
    async with Setting(world, binary) as setting:
        server = await Sources().start()
        try:
            published = await setting.publish("several", server.port)
            ends = [await setting.connect("several", name=f"connect {i}") for i in range(2)]
            await asyncio.gather(*[exchange(end.local, SIZES * 10, first=1000 * i) for i, end in enumerate(ends)])
            if len(server.ports) != 2 or server.ports != set(published.ports.values()):
                raise AssertionError(f"{server.ports} sent, {published.ports} were announced")
            # A second program waits until the first one is done: here it closes its socket.
            first, second = [await LocalUdp().open(ends[0].local) for _ in range(2)]
            got = {first: [], second: []}
            for udp in got:
                udp.on_data = lambda _, data, udp=udp: got[udp].append(data)
            first.send(b"first")
            await until(lambda: got[first], 10, "no answer")
            second.send(b"second")
            await asyncio.sleep(1.0)
            first.send(b"again")
            await until(lambda: len(got[first]) == 2, 10, "no answer")
            if got[second]:
                raise AssertionError("two programs had one peer")
            first.close()
            await until(lambda: got[second], 10, "the peer stayed with a program that has closed its socket")
            second.close()
            if (got[first], got[second]) != ([b"first", b"again"], [b"second"]):
                raise AssertionError(got)
        finally:
            server.close()


async def serving_program(world, binary):
    """The program that serves is not there, then it is; and a peer that was silent gets another port."""
    async with Setting(world, binary) as setting:
        port = free_ports(1)[0]
        published = await setting.publish("serving", port, "--idle", "2")
        connected = await setting.connect("serving")
        udp = await LocalUdp().open(connected.local)
        got = []
        udp.on_data = lambda _, data: got.append(data)
        for number in range(3):
            udp.send(b"nobody %d" % number)
            await asyncio.sleep(0.3)
        await until(lambda: "does not take datagrams" in published.text(), 10, "nothing was said")
        server = await Sources().start(port=port)
        try:
            udp.send(b"first")
            await until(lambda: got == [b"first"], 10, "no answer")
            await asyncio.sleep(4.0)
            udp.send(b"second")
            await until(lambda: got == [b"first", b"second"], 10, "no answer")
            if len(server.ports) != 2:
                raise AssertionError(f"the server saw {server.ports}")
            if published.text().count("does not take datagrams") != 1:
                raise AssertionError("it was said more than once")
        finally:
            server.close()
            udp.close()


async def moves_on(world, binary):
    """A service that two nodes publish: a conversation stays with one of them, and goes on with the other one when that
    one ends."""
    async with Setting(world, binary) as setting:
        servers = [await Sources().start() for _ in range(2)]
        try:
            # They do not relay, or the end of one could be that of the other's circuits.
            config = {"tunnel": {"relay": False}}
            published = [await setting.publish("both", server.port, name=f"publish {i}", config=config)
                         for i, server in enumerate(servers)]
            connected = await setting.connect("both", config=config)
            await connected.connected(2)
            udp = await LocalUdp().open(connected.local)
            client = EchoClient(udp.send)
            udp.on_data = client.on_data
            complete(await client.run([100] * 20, 4, 20.0, True))
            counts = [server.received for server in servers]
            if sorted(counts) != [0, 20]:
                raise AssertionError(f"not with one of them: {counts}")
            first = connected.talks[udp.port]
            await published[counts.index(20)].stop()
            await connected.until(lambda: first not in connected.peers, 30, "the peer is still there")
            complete(await client.run([100] * 20, 4, 20.0, True, 100))
            if [server.received for server in servers] != [20, 20] or connected.talks[udp.port] == first:
                raise AssertionError("it did not go on with the other one")
            udp.close()
        finally:
            for server in servers:
                server.close()


async def comes_back(world, binary):
    """The publisher dies without a word, and is there again with the same key: what local programs send goes to the
    new peer."""
    async with Setting(world, binary) as setting:
        server = await EchoServer().start()
        folder = tempfile.TemporaryDirectory(prefix="peel-test-")
        key = os.path.join(folder.name, "key")
        try:
            published = await setting.publish("back", server.port, "--key", key)
            connected = await setting.connect("back")
            udp = await LocalUdp().open(connected.local)
            client = EchoClient(udp.send)
            udp.on_data = client.on_data
            complete(await client.run([100] * 10, 4, 20.0, True))
            old = set(connected.peers)
            await published.kill()
            setting.stopped.remove(published)
            await connected.until(lambda: not connected.peers, 60, "the peer is still there")
            if os.stat(key).st_mode & 0o777 != 0o600:
                raise AssertionError("others may read the key")
            begin = asyncio.get_running_loop().time()
            await setting.publish("back", server.port, "--key", key)
            await connected.connected()
            if connected.peers & old:
                raise AssertionError("an address was used again")
            complete(await client.run([100] * 10, 4, 20.0, True, 100))
            udp.close()
            return f"{asyncio.get_running_loop().time() - begin:.1f} s after its start"
        finally:
            server.close()
            folder.cleanup()


async def ipv8_end(world):
    """A stock py-ipv8 node that can be either end of a service, and knows the relays."""
    end = Service("127.0.0.1", free_ports(1)[0], flags=(), walk_to=[(r.ip, r.port) for r in world.relays],
                  settings={"max_circuits": 0})
    await end.start()

    async def known():
        return set(world.keys) <= set(await end.candidates())

    await until(known, 30.0, "the relays are no candidates")
    return end


async def ipv8_downloads(world, binary):
    """py-ipv8 finds what `peel service publish` offers, and talks to the program behind it."""
    info_hash = os.urandom(20)
    end = await ipv8_end(world)
    server = await EchoServer().start()
    try:
        async with Setting(world, binary) as setting:
            published = await setting.service("publish", "--info-hash", info_hash.hex(), "--to",
                                              f"127.0.0.1:{server.port}", "--hops", "1")
            await published.introduced()
            end.tunnels.join_swarm(info_hash, 1, seeding=False)
            found = await end.find(info_hash, 1, None, 60.0)
            circuit = await end.connect(info_hash, found[0])
            complete(await end.exchange(circuit, SIZES * 4))
    finally:
        server.close()
        await end.stop()


async def ipv8_seeds(world, binary):
    """`peel service connect` finds what a py-ipv8 node offers, by the info hash of a torrent as Tribler does."""
    torrent = os.urandom(20)
    info_hash = hashlib.sha1(b"tribler anonymous download" + torrent.hex().encode()).digest()
    end = await ipv8_end(world)
    try:
        async with Setting(world, binary) as setting:
            await end.seed(info_hash, 1, world.keys[0], world.keys[1])
            connected = await setting.service("connect", "--info-hash", torrent.hex(), "--tribler", "--listen",
                                              "127.0.0.1:0", "--hops", "1")
            await connected.connected()
            await exchange(connected.local, SIZES * 4)
            if sorted(set(end.sizes)) != SIZES:
                raise AssertionError(f"the seeder got other sizes: {sorted(set(end.sizes))}")
    finally:
        await end.stop()


async def ask(client, what, *arguments):
    """The JSON that `peel service` prints about a running client."""
    code, out, err = await command(client.binary, "service", what, "-c", client.config_path, *arguments)
    if code:
        raise RuntimeError(f"peel service {what} {' '.join(arguments)}: {code}\n{err}")
    return json.loads(out)


async def peer_of(client, count=1):
    """The addresses of the peers of its only service."""
    async def connected():
        (service,) = await ask(client, "list")
        return service["peers"] if len(service["peers"]) >= count else None

    return await until(connected, 60.0, "no peer", 0.5)


async def through_clients(world, binary):
    """Programs behind two `peel client`: a service of the configuration, and one that is joined by command."""
    walk_to = [(relay.ip, relay.port) for relay in world.relays]
    name = os.urandom(8).hex()
    clients = [PeelClient(walk_to, (1,), binary, name=text, overrides={
        "client": {"swarm_lookup_interval": 3}, "services": services}) for text, services in
        (("publishing client", {"publish": f"{name}/1"}), ("connecting client", {}))]
    udps = []
    try:
        for client in clients:
            await client.start()
            udps.append(await SocksUdp().open(client.ports[1]))
        publishing, connecting = clients
        server, program = udps

        # It has to say something first: until then nobody knows its port.
        server.send("192.0.2.1", 9, b"de")
        server.on_data = lambda origin, data: server.send(*origin, data)
        await ask(connecting, "join", f"{name}/1")
        (address,) = await peer_of(connecting)
        host, port = address.split(":")
        if not host.startswith("127.") or port != "1024":
            raise AssertionError(f"the peer is {address}")
        echo = EchoClient(lambda data: program.send(host, int(port), data), (host, int(port)))
        program.on_data = echo.on_data
        complete(await echo.run(SIZES * 8, 16, 20.0, True))
        # Another association cannot take part in it.
        other = await SocksUdp().open(connecting.ports[1])
        udps.append(other)
        heard = []
        other.on_data = lambda origin, data: heard.append(data)
        other.send(host, int(port), b"other")
        await asyncio.sleep(1.0)
        if heard:
            raise AssertionError("two associations had one peer")
        (status,) = (await connecting.status())["services"]
        if status["peers"] != 1 or (await ask(publishing, "list"))[0]["own_introduction_points"] < 1:
            raise AssertionError(status)
        # What was left is gone, on both sides.
        if await ask(connecting, "leave", name) != []:
            raise AssertionError("it is still joined")

        async def alone():
            return not (await ask(publishing, "list"))[0]["peers"]

        await until(alone, 40.0, "the peer that has left is still there", 0.5)
    finally:
        for udp in udps:
            udp.close()
        for client in clients:
            await client.stop()


async def one_world(runner, binary, kinds, cases):
    name = f"services of peel among {' '.join(kinds)}"
    try:
        async with World(kinds, "python", binary) as world:
            await world.settle()
            for what, case, *arguments in cases:
                await runner.case(f"{name}: {what}", case, world, binary, *arguments, timeout=200)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


def worlds(runner, binary):
    """The last relay is an exit, which looks services up."""
    yield one_world(runner, binary, ["peel"] * 3, [
        ("UDP programs over 1 hop", udp_programs, 1), ("several nodes and programs", several),
        ("the serving program", serving_program), ("two publishers", moves_on),
        ("the publisher dies and comes back", comes_back), ("peel client", through_clients),
        ("py-ipv8 downloads", ipv8_downloads), ("py-ipv8 seeds", ipv8_seeds)])
    yield one_world(runner, binary, ["peel", "python", "rust", "peel"], [("UDP programs over 2 hops", udp_programs, 2)])
    yield one_world(runner, binary, ["python"] * 3, [
        ("UDP programs over 1 hop", udp_programs, 1), ("py-ipv8 downloads", ipv8_downloads),
        ("py-ipv8 seeds", ipv8_seeds)])
