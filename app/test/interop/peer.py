# SPDX-License-Identifier: BSD-3-Clause
"""A py-ipv8 node, with py-ipv8's own data plane, with the Rust endpoint, or with Peel in its place.

All calls take and give plain values (numbers, strings, lists), so that a node in another process or
network namespace (remote.py) is used through the very same calls.
"""

import asyncio
import base64
import logging
import os
import resource
import time

from ipv8.dht.provider import DHTCommunityProvider
from ipv8.keyvault.crypto import default_eccrypto
from ipv8.messaging.anonymization.tunnel import CIRCUIT_STATE_READY
from ipv8.messaging.interfaces.udp.endpoint import UDPv6Address
from ipv8_service import IPv8

from .client import EchoClient
from .net import until
from .overlay import DeafTunnels, SteeredTunnels
from .socks import SocksUdp

RELAY, EXIT_BT, EXIT_IPV8, SPEED_TEST = 1, 2, 4, 8
EXIT_HTTP = 32768
NATIVE = ("rust", "peel-endpoint")  # endpoints with SOCKS servers and speed tests of their own
DEFAULT_COMMUNITY = "81ded07332bdc775aa5a46f96de9f8f390bbc9f3"


def new_key():
    """A private key in py-ipv8's own serialisation."""
    return default_eccrypto.generate_key("curve25519").key_to_bin()


def public_key(private):
    return default_eccrypto.key_from_private_bin(private).pub().key_to_bin()


class Errors(logging.Handler):
    """Keeps what a node logs as an error."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.texts = []

    def emit(self, record):
        if len(self.texts) < 100:
            self.texts.append(logging.Formatter().format(record))


class Peer:
    """One node. `endpoint` is "python", "rust" or "peel-endpoint" (app/ipv8); `flags` are the abilities it announces.

    With an IPv6 address it has a port of each family, as py-ipv8's tunnels are at home on IPv4.
    """

    tunnels_class = SteeredTunnels

    def __init__(self, ip, port, key=None, flags=(RELAY, SPEED_TEST), walk_to=(), endpoint="python",
                 community=DEFAULT_COMMUNITY, settings=None, deaf=False, exit_ip="0.0.0.0", name="",
                 threads=1):
        self.ip, self.port, self.flags = ip, port, set(flags)
        self.key = key or new_key()
        # The class of an address says over which port it is asked.
        self.walk_to = [UDPv6Address(*a) if ":" in a[0] else tuple(a) for a in walk_to]
        self.kind = endpoint
        self.community = bytes.fromhex(community)
        self.settings = settings or {}
        self.deaf = deaf
        self.exit_ip = exit_ip
        self.threads = threads  # of the endpoint
        self.name = name or endpoint
        self.socks = {}
        self.walker = None
        self.log = Errors()

    async def start(self):
        # py-ipv8 logs refused datagrams as errors, with a stack trace each: what the tests are full of.
        if "PEEL_TEST_LOG" not in os.environ:
            logging.disable(logging.WARNING)
            logging.lastResort = None
        base = DeafTunnels if self.deaf else self.tunnels_class
        tunnels = type(f"Tunnels{self.port}", (base,), {"community_id": self.community})
        logger = logging.getLogger(tunnels.__name__)  # as py-ipv8 names it
        logger.addHandler(self.log)
        override = None
        if self.kind == "rust":
            from ipv8_rust_tunnels import Endpoint
            override = Endpoint(self.port, self.ip, worker_threads=self.threads)
        elif self.kind == "peel-endpoint":
            from peel_ipv8 import Endpoint
            override = Endpoint(self.port, self.ip, worker_threads=self.threads)
        self.ipv8 = IPv8(self._configuration(), endpoint_override=override,
                         extra_communities={tunnels.__name__: tunnels})
        await self.ipv8.start()
        if override:
            override.set_exit_address((self.exit_ip, 0))
        self.discovery, self.dht, self.tunnels = self.ipv8.overlays
        self.tunnels.dht_provider = DHTCommunityProvider(self.dht, self.port)
        self.tunnels.ipv8 = self.ipv8  # for PEX overlays
        self.walker = asyncio.ensure_future(self._walk())
        return self

    def _configuration(self):
        walk = [{"strategy": "RandomWalk", "peers": 20, "init": {"timeout": 3.0}}]
        churn = [{"strategy": "RandomChurn", "peers": -1, "init": {
            "sample_size": 8, "ping_interval": 10.0, "inactive_time": 27.5, "drop_time": 57.5}}]
        similar = [{"strategy": "PeriodicSimilarity", "peers": -1, "init": {}}]

        def overlay(name, walkers, initialize=None):
            return {"class": name, "key": "me", "walkers": walkers, "bootstrappers": [],
                    "initialize": initialize or {}, "on_start": []}

        interfaces = [{"interface": "UDPIPv4", "ip": self.ip, "port": self.port}]
        if ":" in self.ip:
            interfaces = [{"interface": "UDPIPv4", "ip": "127.0.0.1", "port": self.port},
                          {"interface": "UDPIPv6", "ip": self.ip, "port": self.port}]

        return {
            "interfaces": interfaces,
            "keys": [{"alias": "me", "generation": "curve25519", "file": "",
                      "bin": base64.b64encode(self.key).decode()}],
            "logger": {"level": "ERROR"}, "working_directory": ".", "walker_interval": 0.5,
            "overlays": [
                overlay("DiscoveryCommunity", walk + churn + similar),
                overlay("DHTDiscoveryCommunity", walk),
                overlay(f"Tunnels{self.port}", walk, {"peer_flags": self.flags, **self.settings}),
            ],
        }

    async def _walk(self):
        """Introduce ourselves to the given addresses until each of them answered in each overlay."""
        while True:
            for overlay in list(self.ipv8.overlays):
                known = {tuple(peer.address[:2]) for peer in overlay.get_peers()}
                for address in self.walk_to:
                    if address not in known:
                        overlay.walk_to(address)
            await asyncio.sleep(0.5)

    async def stop(self):
        """Leave in order: destroys are sent for everything the node takes part in."""
        if self.walker:
            self.walker.cancel()
        for socks in self.socks.values():
            socks.close()
        await self.ipv8.stop()

    async def errors(self):
        """What the tunnel overlay logged as errors."""
        return self.log.texts

    async def info(self):
        return {"ip": self.ip, "port": self.port, "key": public_key(self.key).hex()}

    async def candidates(self):
        """Public key -> announced flags, of all peers that introduced themselves in the tunnel overlay."""
        known = set(self.tunnels.get_peers())
        return {peer.public_key.key_to_bin().hex(): sum(flags)
                for peer, flags in self.tunnels.candidates.items() if peer in known}

    async def tables(self):
        return {"circuits": len(self.tunnels.circuits), "relays": len(self.tunnels.relay_from_to),
                "exits": len(self.tunnels.exit_sockets)}

    async def cpu(self):
        """CPU seconds of this process: of use when the node is alone in it."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    def _peer(self, key):
        peer = self.tunnels.network.get_verified_by_public_key_bin(bytes.fromhex(key))
        if peer is None:
            raise LookupError(f"{self.name} does not know the peer {key[20:32]}")
        return peer

    async def build(self, path, timeout=30.0):
        """Build a circuit along these public keys. Repeated until a hop lists its wanted successor."""
        end = time.monotonic() + timeout
        while True:
            circuit = self.tunnels.create_circuit_along([self._peer(key) for key in path])
            try:
                left = max(0.1, end - time.monotonic())
                if await asyncio.wait_for(asyncio.shield(circuit.ready), left):
                    return circuit.circuit_id
                why = circuit.closing_info
            except TimeoutError:
                why = "no answer"
            if time.monotonic() + 0.5 > end:
                self.tunnels.remove_circuit(circuit.circuit_id, "timeout")
                raise TimeoutError(f"no circuit of {len(path)} hops: {why}, at hop {len(circuit.hops)}")
            await asyncio.sleep(0.5)

    async def build_many(self, path, count, timeout=60.0):
        """So many circuits along one path, all started at once. Gives the ids of those that got ready."""
        peers = [self._peer(key) for key in path]
        circuits = [self.tunnels.create_circuit_along(peers) for _ in range(count)]
        await asyncio.wait([asyncio.shield(c.ready) for c in circuits], timeout=timeout)
        return [c.circuit_id for c in circuits if c.state == CIRCUIT_STATE_READY]

    async def build_free(self, hops, exit_key, timeout=60.0):
        """A circuit by py-ipv8's own choice of hops, retries included; gives its id and the hops' keys."""
        circuit = self.tunnels.create_circuit(hops, required_exit=self._peer(exit_key))
        if circuit is None:
            raise LookupError("no candidates")
        ready = await asyncio.wait_for(asyncio.shield(circuit.ready), timeout)
        if not ready:
            raise TimeoutError(f"circuit closed: {circuit.closing_info}")
        return circuit.circuit_id, [hop.public_key_bin.hex() for hop in circuit.hops]

    async def destroy(self, circuit_id, reason=4):
        self.tunnels.remove_circuit(circuit_id, "test", destroy=reason)

    async def alive(self, circuit_id):
        circuit = self.tunnels.circuits.get(circuit_id)
        return bool(circuit and circuit.state == CIRCUIT_STATE_READY)

    async def echo(self, circuit_id, host, port, sizes, window=32, timeout=5.0, any_shape=False, first=0):
        """Echo datagrams of these sizes over the circuit; the counts of EchoClient are the result."""
        origin = (host, port) if host.replace(".", "").isdigit() or ":" in host else None
        if self.kind in NATIVE:
            return await self._echo_socks(circuit_id, origin, host, port, sizes, window, timeout,
                                          any_shape, first)
        circuit = self.tunnels.circuits[circuit_id]

        def send(data):
            self.tunnels.send_data(circuit.hop.address, circuit_id, (host, port), ("0.0.0.0", 0), data)

        client = EchoClient(send, origin)
        self.tunnels.on_circuit_data[circuit_id] = client.on_data
        try:
            return await client.run(sizes, window, timeout, any_shape, first)
        finally:
            del self.tunnels.on_circuit_data[circuit_id]

    async def _echo_socks(self, circuit_id, origin, host, port, sizes, window, timeout, any_shape, first):
        """The endpoint picks a ready circuit of the right length: the caller keeps just one."""
        hops = self.tunnels.circuits[circuit_id].goal_hops
        client = EchoClient(lambda data: socks.send(host, port, data), origin)
        if hops not in self.socks:
            server = self.tunnels.endpoint.create_socks5_server(0, hops)
            self.socks[hops] = await SocksUdp().open(server)
        socks = self.socks[hops]
        socks.on_data = client.on_data
        return await client.run(sizes, window, timeout, any_shape, first)

    async def speed(self, circuit_id, request=500, response=500, count=20, timeout=10.0):
        """Test-requests 19/20, one after the other; the bytes received."""
        circuit = self.tunnels.circuits[circuit_id]
        total = 0
        for _ in range(count):
            future = self.tunnels.send_test_request(circuit, request, response)
            data, _ = await asyncio.wait_for(future, timeout)
            if len(data) != response:
                raise ValueError(f"test-response has {len(data)} bytes, wanted {response}")
            total += len(data)
        return total

    async def speed_rust(self, circuit_id, milliseconds=500, request=500, response=500):
        """Test-requests 21/22 of a native endpoint for that long; (requests sent, responses received)."""
        done = asyncio.get_running_loop().create_future()

        def callback(stats, finished):
            if finished and not done.done():
                done.set_result(stats)

        self.tunnels.endpoint.run_speedtest(circuit_id, milliseconds, request, response, 50, callback)
        # For each request: when and how many bytes were sent, when and how many received (0: not yet).
        stats = await asyncio.wait_for(done, 10 + milliseconds / 1000)
        return len(stats), sum(1 for times in stats.values() if times[2])


__all__ = ["DEFAULT_COMMUNITY", "EXIT_BT", "EXIT_HTTP", "EXIT_IPV8", "NATIVE", "RELAY", "SPEED_TEST", "Peer", "new_key",
           "public_key", "until"]
