# SPDX-License-Identifier: BSD-3-Clause
"""Names at an exit: strangers' slow names, resolvers that are broken or change, a network that comes late."""

import asyncio
import os
import socket
import subprocess
import tempfile
import time

from interop.echo import DnsServer, EchoServer, payload
from interop.net import free_ports, stop_all, until
from interop.peelproc import PeelNode
from interop.peer import EXIT_BT, EXIT_IPV8, RELAY, Peer
from interop.remote import Remote
from interop.runner import Skipped
from interop.status import counters

A, AAAA = b"\x00\x01", b"\x00\x1c"


class Resolver(DnsServer):
    """Knows every name: those that begin with "slow" it never answers, others have the given addresses. `drops`: kinds of
    questions that it never answers."""

    def __init__(self, ip4="127.0.0.1", ip6=None, drops=(), listen=("127.0.0.1", 0)):
        super().__init__({})
        self.addresses = {A: ip4 and socket.inet_aton(ip4), AAAA: ip6 and socket.inet_pton(socket.AF_INET6, ip6)}
        self.drops, self.listen = drops, listen
        self.seen = set()

    async def start(self):
        return await super().start(*self.listen)

    async def stop(self):
        self.close()

    async def where(self):
        return "%s:%d" % self.address

    def answer(self, data):
        at = 12
        while data[at]:
            at += 1 + data[at]
        kind, name = data[at + 1:at + 3], data[13:at]
        self.seen.add(name)
        if name.startswith(b"slow") or kind in self.drops:
            return None
        address = self.addresses.get(kind)
        record = b""
        if address:
            record = b"\xc0\x0c" + kind + b"\x00\x01\x00\x00\x00\x1e\x00" + bytes([len(address)]) + address
        return data[:2] + b"\x81\x80\x00\x01\x00" + bytes([bool(record)]) + bytes(4) + data[12:at + 5] + record


class Silent:
    """A resolver's address where nobody answers."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))

    @property
    def address(self):
        return self.sock.getsockname()

    def close(self):
        self.sock.close()


class Exit:
    """An exit, an originator that knows it, and an echo server. Use as: async with Exit(...) as world."""

    def __init__(self, build, servers, resolvers=(), prefix=()):
        """`servers`: closed at the end; `resolvers`: for the configuration, empty: the system's."""
        self.servers = list(servers)
        port, origin_port = free_ports(2)
        overrides = {"tunnel": {"max_joined_circuits": 1000}}
        if resolvers:
            overrides["exit"] = {"dns_servers": ["%s:%d" % r.address for r in resolvers]}
        self.exit = PeelNode("127.0.0.1", port, (RELAY, EXIT_BT, EXIT_IPV8), binary=f"{build}/app/peel/peel",
                             overrides=overrides, prefix=prefix)
        self.origin = Peer("127.0.0.1", origin_port, flags=(), walk_to=[("127.0.0.1", port)],
                           settings={"max_circuits": 0})
        self.key = self.echo = None
        self.started = []

    async def __aenter__(self):
        try:
            self.echo = await EchoServer().start()
            self.servers.append(self.echo)
            self.key = (await self.exit.info())["key"]
            for node in (self.exit, self.origin):
                self.started.append(node)
                await node.start()

            async def known():
                return self.key in await self.origin.candidates()

            await until(known, 15.0, "the exit never became a candidate")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_):
        await stop_all(self.started, self.servers)

    def send(self, circuit, name, number):
        """One datagram for a name, whose answer nobody waits for."""
        hop = self.origin.tunnels.circuits[circuit].hop.address
        self.origin.tunnels.send_data(hop, circuit, (name, self.echo.port), ("0.0.0.0", 0), payload(60, number))

    async def ask(self, circuit, name, timeout=5.0):
        """Seconds until a datagram for a name came back, or None."""
        result = await self.origin.echo(circuit, name, self.echo.port, [60], timeout=timeout)
        return result["seconds"] if result["received"] else None


async def slow_names(build, attackers=600, honest=30):
    """Ten times the circuits that once left 4 of 30 look-ups answered: each sends to a new name that is never answered
    twice a second."""
    resolver = await Resolver().start()
    async with Exit(build, [resolver], [resolver]) as world:
        circuits = []
        while len(circuits) < attackers + honest:
            circuits += await world.origin.build_many([world.key], min(100, attackers + honest - len(circuits)))
        good, bad = circuits[:honest], circuits[honest:]
        number = 0

        async def attack():
            nonlocal number
            while True:
                for circuit in bad:
                    world.send(circuit, f"slow{number}.peel.test", number)
                    number += 1
                    if number % 10 == 0:
                        await asyncio.sleep(10 * 0.5 / attackers)

        attacker = asyncio.ensure_future(attack())
        try:
            await asyncio.sleep(2)
            times = []
            for i, circuit in enumerate(good):
                await asyncio.sleep(0.3)
                times.append(await world.ask(circuit, f"honest{i}.peel.test", timeout=3.0))
        finally:
            attacker.cancel()
        answered = sorted(t for t in times if t is not None)
        note = f"{len(answered)} of {honest} look-ups answered under {number} slow names"
        if len(answered) < 0.95 * honest:
            raise AssertionError(note)
        return f"{note}, the slowest in {answered[-1]:.2f} s"


async def dropped_aaaa(build, seconds=66):
    """A resolver that drops AAAA questions: a name in steady use gets old after 60 s, and nothing is lost."""
    resolver = await Resolver(drops=(AAAA,)).start()
    async with Exit(build, [resolver], [resolver]) as world:
        circuit = await world.origin.build([world.key])
        first = await world.ask(circuit, "tracker.peel.test")
        if first is None or first > 2:
            raise AssertionError(f"the first answer took {first} s")
        asked, end = resolver.questions, time.monotonic() + seconds
        sent = received = 0
        while time.monotonic() < end:
            result = await world.origin.echo(circuit, "tracker.peel.test", world.echo.port, [60] * 4, first=sent,
                                             timeout=3.0)
            sent, received = sent + result["sent"], received + result["received"]
            await asyncio.sleep(0.1)
        if resolver.questions == asked:
            raise AssertionError("the name was not asked for again: nothing was tested")
        if received < sent:
            raise AssertionError(f"{sent - received} of {sent} datagrams lost")
        return f"0 of {sent} datagrams lost, the first answer in {first:.2f} s"


async def dead_first(build, names=20):
    """The first resolver is dead: it is found out once, not with every name."""
    dead, resolver = Silent(), await Resolver().start()
    async with Exit(build, [dead, resolver], [dead, resolver]) as world:
        circuit = await world.origin.build([world.key])
        times = [await world.ask(circuit, f"name{i}.peel.test") for i in range(names)]
        if None in times:
            raise AssertionError(f"{times.count(None)} of {names} names not answered")
        late = sum(t > 0.25 for t in times[1:])
        if times[0] > 2 or late > 3:
            raise AssertionError(f"the first after {times[0]:.2f} s, {late} of the others after more than 0.25 s")
        return f"the first after {times[0]:.2f} s, then {sorted(times[1:])[names // 2]:.3f} s"


class OwnResolvConf:
    """A resolv.conf for one process, that can change. Root only."""

    def __init__(self):
        if os.geteuid() or not os.path.isfile("/etc/resolv.conf"):
            raise Skipped("needs root and a resolv.conf")
        self.file = tempfile.NamedTemporaryFile("w", prefix="peel-resolv-")
        os.chmod(self.file.name, 0o644)  # for everybody, as it is: the node is nobody by then
        script = f'mount --bind {self.file.name} /etc/resolv.conf && exec "$@"'
        self.prefix = ["unshare", "-m", "sh", "-c", script, "sh"]

    def write(self, server):
        self.file.seek(0)
        self.file.truncate()
        self.file.write(f"search peel.test\noptions ndots:5\nnameserver {server.address[0]}\n")
        self.file.flush()

    def close(self):
        self.file.close()


async def on_port_53(**options):
    """A resolver where resolv.conf can name it."""
    for last in range(1, 200):
        try:
            return await Resolver(listen=(f"127.53.{os.getpid() % 250}.{last}", 53), **options).start()
        except OSError:
            continue
    raise Skipped("port 53 cannot be had")


async def resolvers_change(build):
    """resolv.conf changes while the exit runs; its search domains are not for strangers."""
    conf = OwnResolvConf()
    old, new = await on_port_53(), await on_port_53()
    conf.write(old)
    async with Exit(build, [conf, old, new], prefix=conf.prefix) as world:
        circuit = await world.origin.build([world.key])
        if await world.ask(circuit, "before.peel.test") is None:
            raise AssertionError("no answer from the first resolver")
        old.close()
        conf.write(new)
        start = time.monotonic()
        number = 0

        async def answered():
            nonlocal number
            number += 1
            return await world.ask(circuit, f"after{number}.peel.test", timeout=1.0) is not None

        await until(answered, 20.0, "names never resolved again")
        took = time.monotonic() - start
        await world.ask(circuit, "printer", timeout=1.0)
        if any(b"printer" in name and b"peel" in name for name in new.seen):
            raise AssertionError("a search domain was applied")
        return f"names resolve again after {took:.1f} s"


async def late_network(build):
    """A node that starts without a resolver finds its bootstrap server all the same, when there is one."""
    conf = OwnResolvConf()
    resolver, nobody = await on_port_53(), await on_port_53(drops=(A, AAAA))
    conf.write(nobody)
    first, second = free_ports(2)
    server = PeelNode("127.0.0.1", first, binary=f"{build}/app/peel/peel")
    node = PeelNode("127.0.0.1", second, binary=f"{build}/app/peel/peel", prefix=conf.prefix,
                    overrides={"discovery": {"bootstrap": f"server.peel.test:{first}"}})
    started = []
    try:
        for peel in (server, node):
            started.append(peel)
            await peel.start()
        await asyncio.sleep(6)
        if await node.candidate_count():
            raise AssertionError("it found the server without a resolver")
        conf.write(resolver)
        start = time.monotonic()

        async def found():
            return await node.candidate_count() > 0

        await until(found, 30.0, "the node stayed alone")
        return f"after {time.monotonic() - start:.1f} s"
    finally:
        await stop_all(started, [conf, resolver, nobody])


async def only_ipv6(build):
    """An exit that has no IPv4 route takes the IPv6 address of a name that has both."""
    if os.geteuid():
        raise Skipped("needs root")
    name, outside = f"peelnames{os.getpid()}", "2001:db8::5"

    def run(*words):
        subprocess.run(["ip", "netns", *words], check=True, capture_output=True)

    run("add", name)
    started = []
    try:
        run("exec", name, "ip", "link", "set", "lo", "up")
        run("exec", name, "ip", "addr", "add", f"{outside}/128", "dev", "lo")
        prefix = ["ip", "netns", "exec", name]
        echo = Remote("echo", {"ip4": "127.0.0.1", "ip6": outside}, prefix, "echo server")
        resolver = Remote("hostile.names:Resolver", {"ip4": "192.0.2.5", "ip6": outside}, prefix, "resolver")
        for node in (echo, resolver):
            started.append(node)
            await node.start()
        peel = PeelNode("127.0.0.1", 8090, (RELAY, EXIT_BT, EXIT_IPV8), binary=f"{build}/app/peel/peel",
                        prefix=prefix, overrides={"exit": {"dns_servers": await resolver.where(),
                                                           "allow_own": True}})
        origin = Remote("peer", {"ip": "127.0.0.1", "port": 8091, "flags": [], "walk_to": [["127.0.0.1", 8090]],
                                 "settings": {"max_circuits": 0}}, prefix, "originator")
        for node in (peel, origin):
            started.append(node)
            await node.start()
        key = (await peel.info())["key"]

        async def known():
            return key in await origin.candidates()

        await until(known, 15.0, "the exit never became a candidate")
        circuit = await origin.build([key])
        result = await origin.echo(circuit, "both.peel.test", await echo.where(), [100] * 10, timeout=3.0)
        if result["received"] < 10:
            raise AssertionError(f"{result['received']} of 10 datagrams came back")
        return None
    finally:
        try:
            await stop_all(started, [])
        finally:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


async def few_files(build, circuits=150):
    """Exits up to the limit of open files: names, the management socket and open exits go on, and one line says why."""
    resolver = await Resolver().start()
    async with Exit(build, [resolver], [resolver], prefix=["prlimit", "--nofile=300:300"]) as world:
        ids = await world.origin.build_many([world.key], circuits)
        if await world.ask(ids[0], "first.peel.test") is None:
            raise AssertionError("no answer at the start")
        for number, circuit in enumerate(ids):
            world.send(circuit, "first.peel.test", number)
            await asyncio.sleep(0.005)
        open_files = len(os.listdir(f"/proc/{world.exit.process.pid}/fd"))
        refused = counters(await world.exit.status())["no_files"]
        if not refused or open_files < 150:
            raise AssertionError(f"{open_files} files open, {refused} refused: nothing was tested")
        times = [await world.ask(ids[0], f"later{i}.peel.test") for i in range(5)]
        if None in times:
            raise AssertionError("names are not answered any more")
        for _ in range(3):
            command = [f"{build}/app/peel/peel", "status", "-c", world.exit.config_path]
            status = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
            text, _ = await asyncio.wait_for(status.communicate(), 10)
            if status.returncode or not text:
                raise AssertionError("the management socket does not answer")
        lines = [line for line in world.exit.log_tail(20000).splitlines() if "open files" in line and "exit" not in line]
        if len(lines) != 1:
            raise AssertionError(f"{len(lines)} lines about it: {lines}")
        return f"{open_files} of 300 files open, {refused} sockets refused"


CASES = [
    ("slow names of strangers", slow_names),
    ("a resolver that drops AAAA", dropped_aaaa),
    ("a dead first resolver", dead_first),
    ("resolv.conf changes", resolvers_change),
    ("a network that comes late", late_network),
    ("an exit with IPv6 only", only_ipv6),
    ("few files", few_files),
]
