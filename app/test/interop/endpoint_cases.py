# SPDX-License-Identifier: BSD-3-Clause
"""Programs behind the SOCKS servers of a py-ipv8 node whose endpoint is Peel (app/ipv8): those of `peel client`, and
libtorrent. py-ipv8 builds the circuits."""

import asyncio
import os

from . import proxied
from .echo import payload
from .net import free_ports, until
from .origin.clients import SIZE, downloaded, torrent
from .origin.torrent import DhtNode, UdpTracker
from .peer import Peer
from .remote import Remote
from .runner import Skipped, raises
from .socks import SocksUdp
from .world import World

KIND = "peel-endpoint"
CIRCUITS = 8  # of each length: four associations that talk to one host need as many


class EndpointClient(Peer):
    """A node that serves programs as `peel client` does: `ports` has a SOCKS server for each number of hops."""

    def __init__(self, world, hops, name="originator"):
        (port,) = free_ports(1)
        super().__init__("127.0.0.1", port, flags=(), walk_to=[(r.ip, r.port) for r in world.relays], endpoint=KIND,
                         settings={"min_circuits": CIRCUITS, "max_circuits": CIRCUITS}, name=name)
        self.hops, self.ports = hops, {}

    async def start(self):
        await super().start()
        self.endpoint = self.tunnels.endpoint
        for hops in self.hops:
            self.ports[hops] = self.endpoint.create_socks5_server(0, hops)
            self.tunnels.build_tunnels(hops)
        return self

    def ready(self, hops):
        return [c.circuit_id for c in self.tunnels.find_circuits(hops=hops)]

    async def settle(self):
        await until(lambda: all(len(self.ready(hops)) == CIRCUITS for hops in self.hops), 60, "too few circuits")
        return f"{CIRCUITS} of each of {len(self.hops)} lengths"


async def figures(world, client):
    """What Tribler asks the endpoint about its servers and circuits."""
    udp = await SocksUdp().open(client.ports[2])
    try:
        statistics = {s["port"]: s for s in client.endpoint.get_socks5_statistics()}
        if statistics[client.ports[2]] != {"port": client.ports[2], "hops": 2, "associates": 1}:
            raise AssertionError(statistics)
        answers = asyncio.Queue()
        udp.on_data = lambda origin, data: answers.put_nowait(origin)
        udp.send("127.0.0.1", world.echo_port, payload(20, 1))
        await asyncio.wait_for(answers.get(), 10)
        circuits = client.ready(2)
        used = [cid for cid in circuits
                if ("127.0.0.1", world.echo_port) in client.endpoint.get_peers_for_circuit(cid)]
        associated = client.endpoint.get_associated_circuits(udp.relay[1])
        if len(used) != 1 or not set(used) <= set(associated) <= set(circuits):
            raise AssertionError(f"used {used} of {associated} of {circuits}")
        # It loses its circuit; nothing it sends is lost.
        client.tunnels.remove_circuit(used[0], "test", destroy=4)
        udp.send("127.0.0.1", world.echo_port, payload(20, 1))
        await asyncio.wait_for(answers.get(), 10)
    finally:
        udp.close()
    await until(lambda: all(s["associates"] == 0 for s in client.endpoint.get_socks5_statistics()), 5,
                "the association does not end with its connection")
    try:
        client.endpoint.create_socks5_server(client.ports[1], 1)
    except OSError:
        return
    raise AssertionError("a port that is taken was opened")


async def speed(world, client):
    """A speed test with reports in between."""
    del world
    reports, done = [], asyncio.get_running_loop().create_future()

    def callback(requests, finished):
        reports.append(len(requests))
        if finished and not done.done():
            done.set_result(requests)

    client.endpoint.run_speedtest(client.ready(3)[0], 1000, 200, 800, 100, callback, 200)
    requests = await asyncio.wait_for(done, 20)
    answered = [r for r in requests.values() if r[2]]
    if len(reports) < 4 or reports != sorted(reports) or len(answered) < len(requests) / 4 or not answered:
        raise AssertionError(f"{reports}, {len(answered)} answered")
    if any(sent > received or n_sent < 200 or n_received < 800 for sent, n_sent, received, n_received in answered):
        raise AssertionError("wrong figures")
    return f"{len(answered)} of {len(requests)} answered, {len(reports)} reports"


async def hidden_torrent(world, client):
    """libtorrent seeds and downloads over uTP between two nodes: each knows the other as an end-to-end circuit."""
    nodes, sessions, addresses = [client], [], asyncio.Queue()
    other = EndpointClient(world, (1,), "seeding node")
    world.started.append(other)
    nodes.append(await other.start())
    for node, name in zip(nodes, ("downloading", "seeding")):
        session = Remote("interop.origin.torrent:Torrent", {
            "listen": "127.0.0.66:0", "proxy": node.ports[1], "dht_node": ("127.0.0.66", 9)}, name=f"{name} libtorrent")
        world.started.append(session)
        sessions.append(await session.start())
    user, seeder = sessions
    version = await user.version()
    if version is None:
        raise Skipped("no libtorrent")
    await other.settle()
    offered = await seeder.share(SIZE)
    await user.fetch(offered)
    info_hash = os.urandom(20)
    other.tunnels.join_swarm(info_hash, 1, seeding=True)
    introduction = next(r for r in world.relays if r.kind != "peel")
    await until(lambda: other.tunnels.find_circuits(hops=1), 20, "no circuit")
    await other.tunnels.create_introduction_point(info_hash, other._peer((await introduction.info())["key"]))
    client.tunnels.join_swarm(info_hash, 1, seeding=False, callback=addresses.put_nowait)
    point = await point_of(client, introduction, other.tunnels.swarms[info_hash].seeder_sk.pub().key_to_bin())

    async def connected():
        if addresses.empty() and client.tunnels.select_circuit_for_infohash(info_hash):
            client.tunnels.create_e2e(info_hash, point)
            await asyncio.sleep(2.0)
        return not addresses.empty()

    await until(connected, 40, "no end-to-end circuit")
    host, port = addresses.get_nowait()

    await downloaded(user, 60, (host, port))
    if await user.peers() != [host]:
        raise AssertionError(f"connected to {await user.peers()}, not only to {host}")
    return f"libtorrent {version}, {SIZE} bytes from {host}:{port}"


async def point_of(client, relay, seeder_key):
    from ipv8.messaging.anonymization.tunnel import IntroductionPoint
    from ipv8.peer import Peer as Ipv8Peer

    peer = client._peer((await relay.info())["key"])
    return IntroductionPoint(Ipv8Peer(peer.public_key, peer.address), seeder_key)



async def one_world(runner, binary):
    """Among relays of all kinds; the last one is a Peel exit."""
    name = "SOCKS of the endpoint"
    servers = {"tracker": await UdpTracker().start(), "dht": await DhtNode().start()}
    try:
        async with World(["rust", KIND, "peel"], "python", binary, exit_flags=proxied.HTTP_FLAGS,
                         peel_overrides={"port": {"exit_address": "127.0.0.77"}}) as world:
            await world.settle()
            client = EndpointClient(world, (1, 2, 3))
            world.started.append(client)
            await client.start()
            await runner.case(f"{name}: circuits", client.settle)
            await runner.case(f"{name}: PySocks", proxied.udp_of_pysocks, world, client)
            await runner.case(f"{name}: IPv6", proxied.ipv6, world, client)
            await runner.case(f"{name}: many associations", proxied.many_associations, world, client)
            await runner.case(f"{name}: unasked", proxied.unasked, world, client)
            await runner.case(f"{name}: trackers", proxied.trackers, world, client)
            await runner.case(f"{name}: figures", figures, world, client)
            await runner.case(f"{name}: speed test", speed, world, client)
            await runner.case(f"{name}: libtorrent", torrent, world, client, servers)
            await runner.case(f"{name}: libtorrent, hidden", hidden_torrent, world, client)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)
    finally:
        for server in servers.values():
            server.close()
