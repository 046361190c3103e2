# SPDX-License-Identifier: BSD-3-Clause
"""The REST paths of py-ipv8 at Peel, compared field by field with the answers of a real py-ipv8 in the same overlay."""

import socket

from aiohttp import ClientSession
from ipv8.messaging.anonymization.community import TunnelCommunity
from ipv8.REST.rest_manager import RESTManager

from .net import until
from .peelclient import PeelClient
from .scenarios import complete
from .world import World

INFO_HASH = bytes(range(20))


def free_tcp_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class RestWorld(World):
    """Each Peel relay with a listener of its own."""

    async def _start(self):
        self.http = [free_tcp_port() for _ in self.kinds]
        await super()._start()

    def overrides_of(self, i):
        return {"metrics": {"listen": f"127.0.0.1:{self.http[i]}"}}


def shape(value):
    """Names and kinds of all there is; of a list, of its elements together."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def same_shape(path, ours, theirs):
    """Rows of a path; both sides must have some."""
    if not ours or not theirs:
        raise AssertionError(f"{path}: nothing to compare: {len(ours)} rows of ours, {len(theirs)} of py-ipv8")
    for row in ours:
        if shape(row) != shape(theirs[0]):
            raise AssertionError(f"{path}: {shape(row)} is not {shape(theirs[0])}")


def equal(what, one, other):
    if one != other:
        raise AssertionError(f"{what}: {one} is not {other}")


def near(what, one, other):
    if not 0.7 * other <= one <= 1.4 * other:
        raise AssertionError(f"{what}: {one} is not about {other}")


async def rest(relay, origin, binary):
    """Peel, py-ipv8, Peel in a row: what the two kinds tell of the same circuits and peers."""
    rest_ports = {}
    managers = []
    async with RestWorld([relay, "python", relay], origin, binary) as world, ClientSession() as http:
        async def get(port, path, name):
            async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
                equal(path, (answer.status, answer.content_type), (200, "application/json"))
                body = await answer.json()
                equal(path, list(body), [name])
                return body[name]

        for peer in (world.relays[1], world.origin):
            find = peer.ipv8.get_overlay
            peer.ipv8.get_overlay = lambda cls, peer=peer, find=find: (
                peer.tunnels if cls is TunnelCommunity else find(cls))
            manager = RESTManager(peer.ipv8)
            rest_ports[peer.name] = free_tcp_port()
            await manager.start(rest_ports[peer.name], "127.0.0.1")
            managers.append(manager)
        client = PeelClient([(world.ip, r.port) for r in world.relays], hops=(1,), binary=binary,
                            overrides={"metrics": {"listen": f"127.0.0.1:{free_tcp_port()}"},
                                       "services": {"join": f"id:{INFO_HASH.hex()}/1"}})
        try:
            await world.settle()
            first, theirs, last = world.http[0], rest_ports[world.relays[1].name], world.http[2]
            circuit = await world.origin.build(world.keys)
            short = await world.origin.build(world.keys[:2])
            complete(await world.origin.echo(circuit, world.echo_ip, world.echo_port, [1000] * 50))

            async with http.get(f"http://127.0.0.1:{first}/metrics") as answer:
                told = dict(line.rsplit(" ", 1) for line in (await answer.text()).splitlines() if line[0] != "#")
            equal("circuits in the metrics", [float(told[f'peel_circuits{{kind="{kind}"}}'])
                                              for kind in ("relay", "exit", "rendezvous")], [2, 0, 0])
            equal("handshakes", float(told["peel_handshake_seconds_count"]), float(told["peel_create_accepted_total"]))
            equal("handshakes take time", float(told["peel_handshake_seconds_sum"]) > 2e-6, True)
            cells = float(told['peel_worker_cells_total{worker="0"}'])
            equal("cells", cells > 100 and cells == sum(
                float(value) for name, value in told.items() if name.startswith("peel_cells_total{")), True)
            equal("work", float(told['peel_worker_busy_seconds_total{worker="0"}']) > 1e-4, True)

            ours, other = [await get(port, "/tunnel/relays", "relays") for port in (first, theirs)]
            same_shape("relays", ours, other)
            mine = {row["direction"]: row for row in ours if circuit in (row["circuit_from"], row["circuit_to"])}
            equal("directions", sorted(mine), ["backward", "forward"])
            equal("circuit", mine["forward"]["circuit_from"], circuit)
            link = mine["forward"]["circuit_to"]
            equal("both ways", (mine["backward"]["circuit_from"], mine["backward"]["circuit_to"]), (link, circuit))
            next_hop = [row for row in other if row["circuit_from"] == link and row["direction"] == "forward"]
            equal("the next hop's", len(next_hop), 1)
            for name in ("bytes_up", "bytes_down", "creation_time"):
                near(name, mine["forward"][name], next_hop[0][name])

            exits, other_exits = [await get(port, "/tunnel/exits", "exits") for port in (last, theirs)]
            same_shape("exits", exits, other_exits)
            equal("exit", [row["circuit_from"] for row in exits], [next_hop[0]["circuit_to"]])
            equal("enabled", (exits[0]["enabled"], exits[0]["is_introduction"], exits[0]["is_rendezvous"]),
                  (True, False, False))
            near("exit's bytes", exits[0]["bytes_up"], 50_000)

            def by_mid(rows):
                return {row["mid"]: {**row, "flags": sorted(row["flags"])} for row in rows}

            ours, other = [await get(port, "/tunnel/peers", "peers") for port in (first, theirs)]
            same_shape("peers", [row for row in ours if row["flags"]], [row for row in other if row["flags"]])
            common = set(by_mid(ours)) & set(by_mid(other))
            equal("common peers", bool(common), True)
            for mid in common:
                equal("peer", by_mid(ours)[mid], by_mid(other)[mid])

            ours, other = [await get(port, "/network", "peers") for port in (first, theirs)]
            same_shape("network", list(ours.values()), list(other.values()))
            for mid in set(ours) & set(other):
                for name in ("ip", "port", "public_key"):
                    equal(name, ours[mid][name], other[mid][name])
                equal("services", bool(set(ours[mid]["services"]) & set(other[mid]["services"])), True)

            ours, other = [await get(port, "/overlays", "overlays") for port in (first, theirs)]
            by_id = {row["id"]: row for row in other}
            equal("overlays", {row["id"] for row in ours}, set(by_id))
            for row in ours:
                equal("an overlay's fields", sorted(row), sorted(by_id[row["id"]]))
                equal("its peers", shape(row["peers"]), shape(by_id[row["id"]]["peers"]))
                equal("its strategies", shape(row["strategies"]), shape(by_id[row["id"]]["strategies"]))
                equal("its address", shape(row["my_estimated_wan"]), shape(by_id[row["id"]]["my_estimated_wan"]))
                equal("its key", row["my_peer"], world.keys[0])
            ours, other = [await get(port, "/tunnel/settings", "settings") for port in (first, theirs)]
            equal("settings", shape(ours), {**shape(other), "peer_flags": ["number"]})
            for name in ("max_time", "max_traffic", "unstable_timeout", "next_hop_timeout", "max_joined_circuits"):
                equal(name, ours[name], other[name])
            equal("flags", sorted(ours["peer_flags"]), sorted(other["peer_flags"]))

            await client.start()
            await client.settle()
            world.origin.tunnels.join_swarm(INFO_HASH, 1, seeding=False)
            port = int(client_port(client))
            own, other = [await get(p, "/tunnel/circuits", "circuits")
                          for p in (port, rest_ports[world.origin.name])]
            same_shape("circuits", [row for row in own if row["state"] == "READY" and row["exit_flags"]],
                       [row for row in other if row["state"] == "READY" and row["exit_flags"]])
            equal("a circuit's type", {row["type"] for row in own} >= {"DATA"}, True)
            equal("hops", [row["actual_hops"] for row in other if row["circuit_id"] == short], [2])

            async def swarms():
                return await get(port, "/tunnel/swarms", "swarms")
            await until(swarms, 10, "the client has no swarm")
            same_shape("swarms", await swarms(), await get(rest_ports[world.origin.name], "/tunnel/swarms", "swarms"))
            return f"{len(common)} peers, {len(own)} own circuits"
        finally:
            await client.stop()
            for manager in managers:
                await manager.stop()


def client_port(client):
    """Where its metrics are."""
    with open(client.config_path, encoding="utf-8") as file:
        section = file.read().split("[metrics]")[1]
    return section.split("listen = ")[1].split("\n")[0].rsplit(":", 1)[1]
