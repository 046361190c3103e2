# SPDX-License-Identifier: BSD-3-Clause
"""Real programs through `peel client`."""

import asyncio

from ..net import until
from ..peelclient import PeelClient
from ..remote import Remote
from ..runner import Skipped
from ..service_cases import ask, peer_of
from .torrent import DhtNode, UdpTracker
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld

# Where things are seen to come from: exits, the client's own sockets, and everything else of this machine differ.
EXIT_IP, USER_IP, SEEDER_IP = "127.0.0.77", "127.0.0.66", "127.0.0.55"
SIZE = 1 << 20


async def downloaded(user, patience, peer=None):
    """A libtorrent has all of what was offered; without peers, it is told of this one."""
    async def complete():
        progress = await user.progress()
        if peer and not progress["peers"]:
            await user.add_peer(*peer)
        return progress["progress"] >= 1.0

    try:
        await until(complete, patience, "", 0.5)
    except TimeoutError:
        raise AssertionError(f"not downloaded: {await user.progress()}") from None
    if not await user.content():
        raise AssertionError("what was downloaded is not what was offered")


async def torrent(world, client, servers):
    """libtorrent announces to a tracker and to the DHT, and downloads over uTP, through three hops."""
    user = Remote("interop.origin.torrent:Torrent", {
        "listen": f"{USER_IP}:0", "proxy": client.ports[3], "dht_node": servers["dht"].address}, name="libtorrent")
    seeder = Remote("interop.origin.torrent:Torrent", {"listen": f"{SEEDER_IP}:0"}, name="seeding libtorrent")
    world.started += [user, seeder]
    await asyncio.gather(user.start(), seeder.start())
    version = await user.version()
    if version is None:
        raise Skipped("no libtorrent")
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

    await downloaded(user, 40)
    if await seeder.peers() != [EXIT_IP]:
        raise AssertionError(f"the seeder was connected to {await seeder.peers()}, not the exit {EXIT_IP}")
    await until(lambda: dht.announced, 20, "nothing was announced to the DHT")
    for name, server in (("tracker", tracker), ("DHT node", dht)):
        if server.sources != {EXIT_IP}:
            raise AssertionError(f"the {name} was asked from {sorted(server.sources)}, not only by the exit {EXIT_IP}")
    return f"libtorrent {version}, {SIZE} bytes, {len(tracker.announced)} announces, DHT {dht.queries}"


async def hidden_torrent(world, options):
    """libtorrent seeds and downloads over uTP, both through hidden services of a `peel client`: no tracker, no DHT,
    and neither knows an address of the other."""
    clients, sessions = [], []
    for name in ("seeding", "downloading"):
        client = PeelClient(world.addresses, (1,), options.peel, name=f"{name} client",
                            overrides={"client": {"swarm_lookup_interval": 3}})
        world.started.append(client)
        clients.append(await client.start())
        # The seeder has to send something before it can be handed anything: it looks for a DHT where there is none.
        session = Remote("interop.origin.torrent:Torrent", {
            "listen": f"{USER_IP}:0", "proxy": client.ports[1],
            "dht_node": (USER_IP, 9) if name == "seeding" else None}, name=f"{name} libtorrent")
        world.started.append(session)
        sessions.append(await session.start())
    seeder, user = sessions
    version = await user.version()
    if version is None:
        raise Skipped("no libtorrent")
    offered = await seeder.share(SIZE)
    service = f"torrent:{await seeder.info_hash()}/1"
    await user.fetch(offered)
    await ask(clients[0], "join", "--publish", service)
    await ask(clients[1], "join", service)
    (address,) = await peer_of(clients[1])
    host, port = address.split(":")

    await downloaded(user, 60, (host, int(port)))
    peers = await user.peers() + await seeder.peers()
    if any(not peer.startswith("127.192.") for peer in peers):
        raise AssertionError(f"connected to {peers}")
    return f"libtorrent {version}, {SIZE} bytes from {address}"


async def one_world(runner, options):
    exit_config = {"port": {"exit_address": EXIT_IP}}
    nodes = [("peel", RELAY_FLAGS), ("python", RELAY_FLAGS), ("rust", RELAY_FLAGS), ("peel", EXIT_FLAGS),
             ("peel", EXIT_FLAGS)]
    servers = {"tracker": await UdpTracker().start(), "dht": await DhtNode().start()}
    try:
        async with OriginWorld(nodes, binary=options.peel, overrides=exit_config) as world:
            await world.settle()
            client = PeelClient(world.addresses, (3,), options.peel, name="peel client")
            world.started.append(client)
            await client.start()
            await runner.case("clients: libtorrent", torrent, world, client, servers)
            await runner.case("clients: libtorrent, hidden", hidden_torrent, world, options)
    finally:
        for server in servers.values():
            server.close()
