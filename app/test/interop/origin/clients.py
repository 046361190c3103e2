# SPDX-License-Identifier: BSD-3-Clause
"""Real programs through `peel client`."""

import asyncio
import os
import signal
import socket
import tempfile

from ..net import until
from ..peelproc import render
from ..remote import Remote
from .torrent import DhtNode, UdpTracker
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld

# Where things are seen to come from: exits, the client's own sockets, and everything else of this machine differ.
EXIT_IP, USER_IP, SEEDER_IP = "127.0.0.77", "127.0.0.66", "127.0.0.55"
SIZE = 1 << 20


def free_tcp_ports(count):
    socks = [socket.socket() for _ in range(count)]
    for sock in socks:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


class Client:
    """A `peel client` process; ports[hops] is its SOCKS5 listener."""

    def __init__(self, binary, bootstrap, hops=(1, 2, 3), overrides=None, name="peel client"):
        self.binary, self.name = binary, name
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-")
        self.ports = dict(zip(hops, free_tcp_ports(len(hops))))
        self.log_path = os.path.join(self.directory.name, "log")
        self.process = None
        sections = {
            "port": {"listen": "127.0.0.1:0"},
            "discovery": {"bootstrap": [f"{ip}:{port}" for ip, port in bootstrap]},
            "tunnel": {"relay": False, "speed_test": False},
            "client": {"max_circuits": 3},
            # Without a value the listeners of the defaults would be tried.
            "socks": {f"hops{n}": f"127.0.0.1:{self.ports[n]}" if n in self.ports else "" for n in (1, 2, 3)},
        }
        for section, values in (overrides or {}).items():
            sections.setdefault(section, {}).update(values)
        self.config = os.path.join(self.directory.name, "client.ini")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(render(sections))

    def log_tail(self):
        with open(self.log_path, "r", encoding="utf-8", errors="replace") as log:
            return log.read()[-2000:]

    async def start(self, timeout=20.0):
        with open(self.log_path, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.binary, "client", "-c", self.config, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 22, start_new_session=True)

        async def ready():
            while line := await self.process.stdout.readline():
                if line.startswith(b"ready "):
                    return
            raise RuntimeError(f"{self.name} did not get ready\n{self.log_tail()}")

        await asyncio.wait_for(ready(), timeout)
        return self

    async def stop(self, timeout=15.0):
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), timeout)
        except asyncio.TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise TimeoutError(f"{self.name} did not end after SIGTERM\n{self.log_tail()}") from None
        if code:
            raise RuntimeError(f"{self.name} ended with {code}\n{self.log_tail()}")


async def torrent(world, client, servers):
    """libtorrent announces to a tracker and to the DHT, and downloads over uTP, through three hops."""
    user = Remote("interop.origin.torrent:Torrent", {
        "listen": f"{USER_IP}:0", "proxy": client.ports[3], "dht_node": servers["dht"].address}, name="libtorrent")
    seeder = Remote("interop.origin.torrent:Torrent", {"listen": f"{SEEDER_IP}:0"}, name="seeding libtorrent")
    world.started += [user, seeder]
    await asyncio.gather(user.start(), seeder.start())
    version = await user.version()
    if version is None:
        return "no libtorrent: nothing was tested"
    tracker, dht = servers["tracker"], servers["dht"]
    # What the tracker of the downloader sees is only what came out of circuits: the seeder knows none.
    offered = await seeder.share(SIZE, "udp://%s:%d/announce" % tracker.address)

    async def offering():
        return (await seeder.progress())["state"] == "seeding" and await seeder.port()

    await until(offering, 10, "the seeder does not listen")  # before, it turns connections down
    tracker.peers = [(SEEDER_IP, await seeder.port())]
    await user.fetch(offered)
    await until(lambda: tracker.announced, 25, "the tracker never heard of it")
    await user.announce_dht()
    await until(lambda: dht.queries.get("get_peers"), 25, "the DHT node was never asked")

    async def complete():
        return (await user.progress())["progress"] >= 1.0

    try:
        await until(complete, 40, "", 0.3)
    except TimeoutError:
        raise AssertionError(f"not downloaded: {await user.progress()}") from None
    if not await user.content():
        raise AssertionError("what was downloaded is not what was offered")
    if await seeder.peers() != [EXIT_IP]:
        raise AssertionError(f"the seeder was connected to {await seeder.peers()}, not the exit {EXIT_IP}")
    await until(lambda: dht.announced, 20, "nothing was announced to the DHT")
    for name, server in (("tracker", tracker), ("DHT node", dht)):
        if server.sources != {EXIT_IP}:
            raise AssertionError(f"the {name} was asked from {sorted(server.sources)}, not only by the exit {EXIT_IP}")
    return f"libtorrent {version}, {SIZE} bytes, {len(tracker.announced)} announces, DHT {dht.queries}"


async def one_world(runner, options):
    exit_config = {"port": {"exit_address": EXIT_IP}}
    nodes = [("peel", RELAY_FLAGS), ("python", RELAY_FLAGS), ("rust", RELAY_FLAGS), ("peel", EXIT_FLAGS),
             ("peel", EXIT_FLAGS)]
    servers = {"tracker": await UdpTracker().start(), "dht": await DhtNode().start()}
    try:
        async with OriginWorld(nodes, binary=options.peel, overrides=exit_config) as world:
            await world.settle()
            client = Client(options.peel, world.addresses)
            world.started.append(client)
            await client.start()
            await runner.case("clients: libtorrent", torrent, world, client, servers)
    finally:
        for server in servers.values():
            server.close()
