# SPDX-License-Identifier: BSD-3-Clause
"""What takes part in the suites `circuit` and `hidden`: relays, clients, and the load (bench/circuit)."""

import asyncio
import json
import os
import tempfile

from interop import proc
from interop.net import free_ports, until
from interop.peelproc import PeelNode, render
from interop.peer import EXIT_BT, RELAY, SPEED_TEST, Peer
from interop.remote import Remote
from interop.socks import SocksUdp

HOPS = 3
LASTING = 1 << 50  # bytes: the protocol's 10 GiB are gone in a minute
# Of py-ipv8: nothing of ours may end, or be refused, because there is much of it.
# Of py-ipv8 nodes. They end a circuit that is silent for 20 s, and here circuits wait for their turn.
SETTINGS = {"max_joined_circuits": 10000, "max_traffic": LASTING, "max_time_inactive": 3600}


class NativeClient(Peer):
    """A py-ipv8 node with a native endpoint and its SOCKS5 server, as Tribler has it."""

    def _ready(self):
        return [c.circuit_id for c in self.tunnels.circuits.values() if c.state == "READY"]

    async def fill(self, path, count):
        """So many circuits along a path; those that are there stay."""
        for _ in range(10):
            missing = count - len(self._ready())
            if missing <= 0:
                return
            await self.build_many(path, missing, 10)
        raise TimeoutError(f"{len(self._ready())} of {count} circuits are ready")

    async def serve(self):
        """Port of the SOCKS5 server."""
        return self.tunnels.endpoint.create_socks5_server(0, HOPS)


class RustEnd(Peer):
    """One end of hidden services: a py-ipv8 node with the Rust endpoint, reached through SOCKS5 servers. Info hashes are
    hexadecimal."""

    def __init__(self, **options):
        super().__init__(**options)
        self.servers, self.found, self.listeners, self.heard = {}, {}, {}, {}

    async def server(self, hops):
        """Port of the SOCKS5 server for services over that many hops."""
        if hops not in self.servers:
            self.servers[hops] = self.tunnels.endpoint.create_socks5_server(0, hops)
        return self.servers[hops]

    async def seed(self, info_hash, hops):
        self.tunnels.join_swarm(bytes.fromhex(info_hash), hops)
        await self.tunnels.create_introduction_point(bytes.fromhex(info_hash))

    async def find(self, info_hash, hops):
        self.tunnels.join_swarm(bytes.fromhex(info_hash), hops, seeding=False,
                                callback=lambda address: self.found.setdefault(info_hash, address))

    async def connected(self, info_hash):
        """Address of the first peer."""
        return self.found.get(info_hash)

    async def leave(self, info_hash):
        self.tunnels.leave_swarm(bytes.fromhex(info_hash))

    async def listen(self, hops):
        """For a greeting; once in front of it, so that the server knows where to send."""
        self.heard[hops] = False
        if hops in self.listeners:
            self.listeners[hops].close()
        listener = self.listeners[hops] = await SocksUdp().open(await self.server(hops))
        listener.on_data = lambda _origin, _data: self.heard.__setitem__(hops, True)
        listener.transport.sendto(b"\0", listener.relay)

    async def greeted(self, hops):
        return self.heard[hops]

    async def greet(self, hops, ip, port):
        await self.listen(hops)
        self.listeners[hops].send(ip, port, b"hello")


class Chain:
    """Relays of one kind, the last `exits` of them exits with those flags."""

    def __init__(self, kind, options, count=HOPS, exits=1, exit_flags=(EXIT_BT,)):
        self.kind, self.options, self.relays, self.keys = kind, options, [], []
        self.addresses = [("127.0.0.1", port) for port in free_ports(count)]
        self.exits, self.exit_flags = exits, set(exit_flags)

    async def start(self, enter):
        for i, (ip, port) in enumerate(self.addresses):
            flags = {RELAY, SPEED_TEST} | (self.exit_flags if i >= len(self.addresses) - self.exits else set())
            others = self.addresses[:i] + self.addresses[i + 1:]
            name = f"{self.kind} relay {i + 1}"
            if self.kind == "peel":
                tunnel = {"max_traffic": f"{LASTING >> 40}T", "max_joined_circuits": 10000}
                relay = PeelNode(ip, port, flags, others, self.options.peel, overrides={"tunnel": tunnel}, name=name)
            else:
                # A Rust exit sends to loopback only when it is bound to loopback itself, or to everything.
                relay = Remote("circuit_nodes:Peer", {
                    "ip": ip, "port": port, "flags": sorted(flags), "walk_to": others, "endpoint": self.kind,
                    "exit_ip": "::", "threads": self.options.rust_threads, "settings": SETTINGS}, name=name)
            self.relays.append(await enter(relay))
            self.keys.append((await relay.info())["key"])
        await until(self._settled, 30, f"the {self.kind} relays do not know each other")

    async def _settled(self):
        for relay in self.relays:
            count = await relay.candidate_count() if self.kind == "peel" else \
                len(set(self.keys) & set(await relay.candidates()))
            if count < len(self.addresses) - 1:
                return False
        return True

    def cpu_ns(self):
        return sum(proc.cpu_nanoseconds(relay.process.pid) for relay in self.relays)


class Load:
    """One circuit_load process."""

    def __init__(self, program, *arguments, name=""):
        self.command, self.name, self.process = [program, *map(str, arguments)], name, None

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True)
        return self

    async def ask(self, *words, timeout=120):
        """The answer to one command."""
        try:
            self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
        except (TimeoutError, ConnectionError) as error:
            raise RuntimeError(f"{self.name}: the load does not answer") from error
        if not line:
            raise RuntimeError(f"{self.name}: the load ended with {await self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {words[0]}: {answer['error']}")
        return answer

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class PeelClient:
    """A `peel client` process with one SOCKS5 listener."""

    def __init__(self, binary, bootstrap, circuits):
        self.binary, self.process, self.port = binary, None, None
        self.directory = tempfile.TemporaryDirectory(prefix="peel-bench-")
        self.config = os.path.join(self.directory.name, "client.ini")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(render({
                "port": {"listen": "127.0.0.1:0"}, "workers": {"hugepages": "auto"},
                "discovery": {"bootstrap": [f"{ip}:{port}" for ip, port in bootstrap]},
                "tunnel": {"relay": False, "max_traffic": f"{LASTING >> 40}T"},
                "client": {"min_circuits": circuits, "max_circuits": circuits},
                "socks": {f"hops{HOPS}": "127.0.0.1:0"}, "log": {"level": "warning"}}))

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            self.binary, "client", "-c", self.config, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, start_new_session=True)
        while line := (await asyncio.wait_for(self.process.stdout.readline(), 20)).decode():
            if line.startswith(f"socks {HOPS} "):
                self.port = int(line.rsplit(":", 1)[1])
            if line.startswith("ready "):
                return self
        raise RuntimeError("peel client did not get ready")

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 15)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
