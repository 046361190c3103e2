# SPDX-License-Identifier: BSD-3-Clause
"""What circuits may reach through an exit: addresses that become its own while it runs, its network behind NAT, and what it
asks of web servers. All in network namespaces of their own, root only."""

import asyncio
import contextlib
import ctypes
import gzip
import itertools
import os
import signal
import socket
import subprocess

from interop.echo import EchoServer, payload
from interop.http import HttpClient
from interop.net import free_ports, stop_all, until
from interop.peelproc import PeelNode
from interop.peer import Peer
from interop.runner import Skipped
from interop.status import counters
from interop.world import EXIT_FLAGS, World

EXIT_HTTP = 32768
FLAGS = EXIT_FLAGS + (EXIT_HTTP,)
CLONE_NEWNET = 0x40000000
ANSWER = b"d8:intervali1800ee"
_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


class Namespace:
    """A network namespace. What is started or opened inside of "with" belongs to it."""

    def __init__(self):
        self.name = f"peel-exits-{os.getpid()}-{next(_numbers)}"
        self.before = []

    def make(self):
        if os.geteuid():
            raise Skipped("needs root")
        subprocess.run(["ip", "netns", "add", self.name], check=True, capture_output=True)
        self.ip("link", "set", "lo", "up")
        return self

    def ip(self, *words):
        subprocess.run(["ip", "-n", self.name, *words], check=True, capture_output=True)

    def __enter__(self):
        self.before.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        inside = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        self._go(inside)
        return self

    def __exit__(self, *_):
        self._go(self.before.pop())

    @staticmethod
    def _go(fd):
        try:
            if _libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    def remove(self):
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


@contextlib.contextmanager
def namespaces(count):
    made = [Namespace() for _ in range(count)]
    try:
        yield [one.make() for one in made]
    finally:
        for one in made:
            one.remove()


def join(home, outside):
    """The exit's machine, 192.168.7.2, and its router, which also is the Internet: 198.51.100.0/24."""
    home.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", outside.name)
    home.ip("addr", "add", "192.168.7.2/24", "dev", "eth0")
    outside.ip("addr", "add", "192.168.7.1/24", "dev", "eth0")
    for last in (1, 2):
        outside.ip("addr", "add", f"198.51.100.{last}/32", "dev", "lo")
    home.ip("link", "set", "eth0", "up")
    outside.ip("link", "set", "eth0", "up")
    home.ip("route", "add", "default", "via", "192.168.7.1")


class Web:
    """A web server that counts connections, and says with gzip what may be said so."""

    def __init__(self, body=ANSWER):
        self.body = body
        self.connections = 0
        self.requests = []
        self.server = None

    async def start(self, ip, port=0):
        self.server = await asyncio.start_server(self._serve, ip, port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            self.requests.append(head)
            coding, body = b"", self.body
            if b"gzip" in head:
                coding, body = b"Content-Encoding: gzip\r\n", gzip.compress(body)
            writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (coding, len(body)) + body)
            await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def close(self):
        if self.server:
            self.server.close()


def get(host="tracker.test", fields=""):
    return (f"GET /announce HTTP/1.1\r\nHost: {host}\r\nUser-Agent: libtorrent/2.0.8\r\n"
            f"Accept-Encoding: gzip\r\nConnection: close\r\n{fields}\r\n").encode()


def world(build, exit_settings=None, **sections):
    settings = {"allow_private": False, "allow_loopback": False, **(exit_settings or {})}
    return World(["peel"], "python", f"{build}/app/peel/peel", exit_flags=FLAGS,
                 peel_overrides={"exit": settings, **sections})


async def reached(node, circuit, echo, web, host, wait=0.7):
    """(answers to three datagrams, is there an answer to an HTTP request) from services at an address."""
    client = HttpClient(node.origin)
    datagrams, answer = await asyncio.gather(
        node.origin.echo(circuit, host, echo.port, [100] * 3, timeout=wait),
        client.ask(circuit, host, web.port, get(), wait))
    return datagrams["received"], answer is not None


async def later_addresses(build):
    """Services at addresses that the machine gets while its exit runs stay closed, by every way of naming them."""
    added = [("203.0.113.7", ["addr", "203.0.113.7/32", "dev", "lo"]),
             ("203.0.113.8", ["addr", "203.0.113.8/24", "dev", "eth0"]),
             ("198.51.100.9", ["route", "local", "198.51.100.0/24", "dev", "lo"]),
             ("2001:db8::7", ["addr", "2001:db8::7/64", "dev", "eth0", "nodad"])]
    notes = []
    with namespaces(1) as (home,), home:
        home.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        home.ip("link", "set", "eth0", "up")
        home.ip("link", "set", "eth1", "up")
        for own, listen in ((False, {}), (False, {"exit_address": "127.0.0.1"}), (True, {})):
            async with world(build, {"allow_own": own, "allow_loopback": own}, port=listen) as node:
                await node.settle()
                circuit = await node.origin.build(node.keys)
                for host, words in added:
                    home.ip(words[0], "add", *words[1:])
                    echo, web = EchoServer(), Web()
                    try:
                        if ":" in host:
                            await echo.start(ip6=host)
                        else:
                            await echo.start(host)
                        await web.start(host)
                        name = f"later{next(_numbers)}.peel.test"
                        node.dns.names[name] = host
                        names = [host] if ":" in host or listen else [host, name]
                        await asyncio.sleep(0.3)
                        for target in names:
                            got = await reached(node, circuit, echo, web, target, 3.0 if own else 0.7)
                            if got != ((3, True) if own else (0, False)):
                                raise AssertionError(f"{target} ({' '.join(words)}), allow_own = {own}: {got}")
                    finally:
                        web.close()
                        echo.close()
                        home.ip(words[0], "del", *[word for word in words[1:] if word != "nodad"])
                if own:
                    continue
                # What the machine has lost is a stranger's again.
                before = counters(await node.relays[0].status())
                await asyncio.sleep(0.3)
                await node.origin.echo(circuit, "203.0.113.7", 9, [100] * 3, timeout=0.3)
                after = counters(await node.relays[0].status())
                refused = before["drop_destination"]
                if after["drop_destination"] != refused:
                    raise AssertionError("203.0.113.7 is gone, and still refused")
                notes.append(f"{refused} datagrams refused")
    return ", ".join(notes)


async def lost_notices(build):
    """So many addresses change at once that the kernel cannot tell of all of them; later ones are seen all the same."""
    with namespaces(1) as (home,), home:
        async with world(build) as node:
            await node.settle()
            circuit = await node.origin.build(node.keys)
            exit_process = node.relays[0].process
            exit_process.send_signal(signal.SIGSTOP)
            try:
                lines = [f"addr add 10.9.{i // 200}.{i % 200}/32 dev lo" for i in range(1000)]
                subprocess.run(["ip", "-n", home.name, "-batch", "-"], input="\n".join(lines), text=True, check=True)
            finally:
                exit_process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.5)
            home.ip("addr", "add", "203.0.113.7/32", "dev", "lo")
            echo, web = await EchoServer().start("203.0.113.7"), await Web().start("203.0.113.7")
            try:
                await asyncio.sleep(0.3)
                got = await reached(node, circuit, echo, web, "203.0.113.7")
                if got != (0, False):
                    raise AssertionError(f"a service at an address that came later: {got}")
            finally:
                web.close()
                echo.close()


async def address_lost(build):
    """The address that a relay listens at goes and comes back: it is told, and the relay is found again."""
    with namespaces(1) as (home,), home:
        home.ip("addr", "add", "203.0.113.20/32", "dev", "lo")
        node = PeelNode("203.0.113.20", 8090, binary=f"{build}/app/peel/peel")
        started = [await node.start()]
        try:
            key = (await node.info())["key"]
            for way in ("add", "del", "add"):
                if way != "add" or len(started) > 1:
                    home.ip("addr", way, "203.0.113.20/32", "dev", "lo")

                async def told(way=way):
                    return (await node.status())["address_lost"] == (way == "del")

                await until(told, 5.0, f"not told after {way}")
                if way == "add":
                    peer = Peer("127.0.0.1", free_ports(1)[0], walk_to=[("203.0.113.20", 8090)])
                    started.append(await peer.start())

                    async def found(peer=peer):
                        return key in await peer.candidates()

                    await until(found, 15.0, "nobody finds the relay")
            told = [line for line in node.log_tail().splitlines() if "203.0.113.20" in line and "listen" in line]
            if len(told) != 2:
                raise AssertionError(f"log: {told}")
        finally:
            await stop_all(started, ())


async def liar(address, see):
    """A peer that tells everybody who asks that they come from this address."""
    peer = Peer("127.0.0.1", free_ports(1)[0], walk_to=[address], name="liar")
    await peer.start()
    for overlay in peer.ipv8.overlays:
        def lie(lan, seen, *args, tell=overlay.create_introduction_response, **more):
            return tell(lan, type(seen)(see, seen[1]), *args, **more)
        overlay.create_introduction_response = lie
    return peer


async def hairpin(build):
    """Behind NAT: services at the exit's own public address, which it has learnt, are closed to its circuits."""
    with namespaces(2) as (home, outside):
        join(home, outside)
        servers = []
        try:
            with outside:
                for ip in ("198.51.100.1", "198.51.100.2"):
                    servers.append((await EchoServer().start(ip), await Web().start(ip)))
            with home:
                for learnt in (False, True):
                    async with world(build) as node:
                        await node.settle()
                        circuit = await node.origin.build(node.keys)
                        if learnt:
                            exit_at = ("127.0.0.1", node.relays[0].port)
                            node.started.append(await liar(exit_at, "198.51.100.1"))

                            async def known():
                                public = (await node.relays[0].status())["public_address"]
                                return public and public.startswith("198.51.100.1:")

                            await until(known, 60.0, "the exit never learnt its public address")
                        for (echo, web), ip in zip(servers, ("198.51.100.1", "198.51.100.2")):
                            closed = learnt and ip == "198.51.100.1"
                            got = await reached(node, circuit, echo, web, ip, 0.7 if closed else 3.0)
                            if got != ((0, False) if closed else (3, True)):
                                raise AssertionError(f"{ip}, public address {'learnt' if learnt else 'unknown'}: {got}")
        finally:
            for echo, web in servers:
                echo.close()
                web.close()


async def private_origins(build):
    """A host of the exit's own network that answers is not told to the circuit; one of the Internet is."""
    with namespaces(2) as (home, outside):
        join(home, outside)
        with outside:
            stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            stranger.bind(("198.51.100.2", 0))
            neighbour = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            neighbour.bind(("192.168.7.1", 0))
        stranger.setblocking(False)
        with home, stranger, neighbour:
            async with world(build) as node:
                await node.settle()
                circuit = await node.origin.build(node.keys)
                origins = []
                node.origin.tunnels.on_circuit_data[circuit] = lambda origin, data: origins.append(origin[0])
                hop = node.origin.tunnels.circuits[circuit].hop.address
                node.origin.tunnels.send_data(hop, circuit, stranger.getsockname(), ("0.0.0.0", 0), payload(100, 1))
                loop = asyncio.get_running_loop()
                _, exit_at = await asyncio.wait_for(loop.sock_recvfrom(stranger, 2000), 5)
                for number in range(5):
                    neighbour.sendto(payload(100, number), exit_at)
                stranger.sendto(payload(100, 9), exit_at)
                await until(lambda: "198.51.100.2" in origins, 5, "the stranger's answer never came")
                await asyncio.sleep(0.3)
                dropped = counters(await node.relays[0].status())["drop_origin"]
                if origins != ["198.51.100.2"] or dropped != 5:
                    raise AssertionError(f"origins {origins}, {dropped} dropped")


async def http_requests(build):
    """GET without a body, to ports of web servers and trackers; the answer comes back although gzip was asked for."""
    refused = {
        "a body": get(fields="Content-Length: 2\r\n") + b"de",
        "an announced body": get(fields="Content-Length: 2\r\n"),
        "chunks": get(fields="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
        "empty lines in front": b"\r\n\r\n" + get(),
        "two requests": get() + get(),
        "POST": get().replace(b"GET", b"POST"),
        "a line that ends early": get().replace(b"\r\nUser", b"\nUser"),
    }
    with namespaces(1) as (home,), home:
        webs = {port: Web(ANSWER + b"\n") for port in (25, 80, 81, 143, 443, 587, 1023, 1024, 6969)}
        try:
            for port, web in webs.items():
                await web.start("127.0.0.1", port)
            for any_port in (False, True):
                settings = {"allow_loopback": True, "http_ports": "any" if any_port else "standard"}
                async with world(build, settings) as node:
                    await node.settle()
                    client = HttpClient(node.origin)
                    for port, web in webs.items():
                        circuit = await node.origin.build(node.keys)
                        before = web.connections
                        good = any_port or port in (80, 443) or port > 1023
                        answer = await client.ask(circuit, "127.0.0.1", port, get(), 4.0 if good else 0.5)
                        if (answer is not None, web.connections - before) != (good, int(good)):
                            raise AssertionError(f"port {port}, any = {any_port}: {answer!r}")
                        if good and not answer.endswith(b"\r\n\r\n" + ANSWER + b"\n"):
                            raise AssertionError(f"port {port}: {answer!r}")
                    for what, request in refused.items():
                        circuit = await node.origin.build(node.keys)
                        before = webs[6969].connections
                        if await client.ask(circuit, "127.0.0.1", 6969, request, 0.5) or \
                                webs[6969].connections != before:
                            raise AssertionError(f"{what}: done")
            sent = webs[6969].requests[0]
            if sent.count(b"ncoding:") != 1 or b"Accept-Encoding: identity\r\n" not in sent:
                raise AssertionError(f"sent: {sent!r}")
        finally:
            for web in webs.values():
                web.close()


async def slow_web(build, attackers=60, honest=30):
    """Circuits with web servers that never answer ask for as much as they may; a circuit with a tracker is served."""
    async def never(reader, writer):
        await reader.read()
        writer.close()

    slow, web = await asyncio.start_server(never, "127.0.0.1", 0), await Web().start("127.0.0.1")
    slow_port = slow.sockets[0].getsockname()[1]
    try:
        async with world(build, {"allow_loopback": True}, tunnel={"max_joined_circuits": 1000}) as node:
            await node.settle()
            client = HttpClient(node.origin)
            circuits = await node.origin.build_many(node.keys, attackers + honest)

            async def attack(circuit):
                while True:
                    await client.ask(circuit, "127.0.0.1", slow_port, get(), 0.5)

            attack_tasks = [asyncio.ensure_future(attack(circuit)) for circuit in circuits[honest:] for _ in range(5)]
            try:
                await asyncio.sleep(2)
                answers = [await client.ask(circuit, "127.0.0.1", web.port, get(), 2.0) for circuit in circuits[:honest]]
            finally:
                for task in attack_tasks:
                    task.cancel()
            served = sum(answer is not None for answer in answers)
            requests = counters(await node.relays[0].status())["http_requests"]
            note = f"{served} of {honest} requests answered beside {requests - honest} slow ones"
            if served < 0.95 * honest:
                raise AssertionError(note)
            return note
    finally:
        slow.close()
        web.close()


async def rules(build):
    """The exit's rules decide about datagrams and HTTP requests, by number and by name; a reload takes them away."""
    servers = [await EchoServer().start("127.0.0.1") for _ in range(2)]
    webs = [await Web().start("127.0.0.1") for _ in range(2)]
    text = f"accept 127.0.0.1:{servers[0].port}, accept 127.0.0.0/8:{webs[0].port}, reject *:*"
    try:
        async with world(build, {"allow_loopback": True, "rules": text}) as node:
            relay = node.relays[0]
            await node.settle()
            client = HttpClient(node.origin)
            node.dns.names["rules.peel.test"] = "127.0.0.1"
            circuit = await node.origin.build(node.keys)
            for host in ("127.0.0.1", "rules.peel.test"):
                for server, good in zip(servers, (True, False)):
                    got = await node.origin.echo(circuit, host, server.port, [100] * 3, timeout=5.0 if good else 0.7)
                    if got["received"] != (3 if good else 0) or bool(server.received) != good:
                        raise AssertionError(f"{host}, accepted = {good}: {got}")
            for web, good in zip(webs, (True, False)):
                answer = await client.ask(circuit, "127.0.0.1", web.port, get(), 5.0 if good else 0.7)
                if (answer is not None, web.connections) != (good, int(good)):
                    raise AssertionError(f"HTTP, accepted = {good}: {answer!r}")
            table = counters(await relay.status())
            if (table["drop_rules"], table["drop_destination"], table["http_refused"]) != (6, 0, 1):
                raise AssertionError(f"{table['drop_rules']} dropped, {table['http_refused']} requests refused")
            os.chmod(relay.directory.name, 0o755)  # whoever root became reads the file again
            with open(relay.config_path, encoding="utf-8") as file:
                config = file.read()
            with open(relay.config_path, "w", encoding="utf-8") as file:
                file.write(config.replace(f"rules = {text}\n", ""))
            subprocess.run([relay.binary, "reload", "-c", relay.config_path], check=True, capture_output=True)
            got = await node.origin.echo(circuit, "127.0.0.1", servers[1].port, [100] * 3, timeout=5.0)
            if got["received"] != 3:
                raise AssertionError(f"after a reload without rules: {got}")
    finally:
        for server in servers + webs:
            server.close()


CASES = [
    ("exit, addresses that come later", later_addresses),
    ("exit, more changes of addresses than the kernel tells", lost_notices),
    ("relay, the address it listens at goes away", address_lost),
    ("exit, the own public address behind NAT", hairpin),
    ("exit, answers from its own network", private_origins),
    ("exit, HTTP requests that are none of trackers", http_requests),
    ("exit, rules for destinations", rules),
    ("exit, HTTP beside circuits with slow servers", slow_web),
]
