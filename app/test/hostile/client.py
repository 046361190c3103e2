# SPDX-License-Identifier: BSD-3-Clause
"""`peel client`: programs that ask once, and other users of the machine."""

import asyncio
import functools
import os
import pwd
import socket
import struct
import time

from interop.echo import DnsServer, EchoServer, payload
from interop.http import ANSWERS, Tracker, ask_socks, get
from interop.net import free_ports, have_ipv6, stop_all, until
from interop.peelclient import PeelClient
from interop.peer import EXIT_HTTP
from interop.runner import Skipped
from interop.socks import SocksUdp
from interop.world import EXIT_FLAGS, make_relay

NAMES = [f"host{number}.peel.test" for number in range(64)]


class Overlay:
    """Exits beside each other, and a `peel client` with one hop that knows them all. Nothing runs until it is started."""

    def __init__(self, build, exits=1, overrides=None, client=None):
        """`overrides`: of each exit's configuration, in a list; `client`: of the client's."""
        self.binary = f"{build}/app/peel/peel"
        self.addresses = [("127.0.0.1", port) for port in free_ports(exits)]
        self.overrides = overrides or [{} for _ in range(exits)]
        self.client = PeelClient(self.addresses, (1,), self.binary, client)
        self.relays, self.echo, self.dns = [], EchoServer(), DnsServer(dict.fromkeys(NAMES, "127.0.0.1"))

    async def __aenter__(self):
        await self.echo.start("127.0.0.1", "::1" if have_ipv6() else None)
        await self.dns.start()
        return self

    async def start_client(self):
        await self.client.start()

    async def start_exits(self):
        for (_, port), overrides in zip(self.addresses, self.overrides):
            others = [a for a in self.addresses if a[1] != port]
            overrides.setdefault("exit", {}).setdefault("dns_servers", "%s:%d" % self.dns.address)
            relay = make_relay("peel", port, EXIT_FLAGS + (EXIT_HTTP,), others, self.binary, overrides=overrides)
            self.relays.append(relay)
            await relay.start()

    async def circuits(self, number, meanwhile=None):
        async def enough():
            if meanwhile:
                await meanwhile()
            return (await self.client.own_circuits())["ready"] >= number
        await until(enough, 40, f"the client has not got {number} circuits", 0.5)

    async def start(self):
        await self.start_exits()
        await self.start_client()
        await self.client.settle()

    async def counters(self):
        counters = (await self.client.status())["counters"]
        return {**counters, **counters["drops"]}

    async def __aexit__(self, *_):
        started = [self.client] if self.client.process else []
        await stop_all(started + self.relays, (self.echo, self.dns))


class Program:
    """An association, and what came back to it."""

    def __init__(self):
        self.udp, self.got = SocksUdp(), []

    async def open(self, port):
        await self.udp.open(port)
        self.udp.on_data = lambda origin, data: self.got.append((origin, data))
        return self

    def send(self, number, port, host="127.0.0.1"):
        self.udp.send(host, port, payload(40, number))

    def has(self, number):
        return any(data == payload(40, number) for _, data in self.got)

    def close(self):
        self.udp.close()


async def before_circuits(build):
    """A program that starts with the machine asks once, long before there is a relay: it is served when there is one."""
    async with Overlay(build) as world:
        await world.start_client()
        program = await asyncio.wait_for(Program().open(world.client.ports[1]), 5)
        try:
            program.send(0, world.echo.port)
            await asyncio.sleep(12)  # longer than any datagram waits
            await until(lambda: _dropped(world, "drop_socks_wait", 1), 5, "what waited too long was not counted")
            await world.start_exits()
            begun, number = time.monotonic(), 0

            async def answered():
                nonlocal number
                number += 1
                program.send(number, world.echo.port)
                await asyncio.sleep(0.5)
                return program.got

            await until(answered, 60, "the association is dead")
            await asyncio.sleep(1)
            if len(program.got) != number:
                raise AssertionError(f"{len(program.got)} of {number} datagrams came back")
            return f"served {time.monotonic() - begun:.1f} s after the first relay, {number} of {number} datagrams"
        finally:
            program.close()


async def _dropped(world, name, number):
    return (await world.counters())[name] >= number


async def held(build):
    """Datagrams of the first seconds wait for the first circuit, and not one of them comes twice."""
    async with Overlay(build) as world:
        await world.start_exits()
        await world.start_client()
        programs = [await Program().open(world.client.ports[1]) for _ in range(3)]
        try:
            for number in range(20):
                for program in programs:
                    program.send(number, world.echo.port)
            await world.client.settle()
            await until(lambda: all(len(p.got) >= 20 for p in programs[:1]), 10, "what waited was not sent")
            await asyncio.sleep(1)
            return f"{[len(p.got) for p in programs]} of 20 each"
        finally:
            for program in programs:
                program.close()


def _as_nobody(work):
    """Run work() in a process of another user: True, False, or an exception in it is False."""
    nobody = pwd.getpwnam("nobody")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _datagram(port, number):
    return b"\0\0\0\1" + socket.inet_aton("127.0.0.1") + struct.pack("!H", port) + payload(40, number)


def _steal(relay, echo_port):
    """A stranger is first at somebody's association: does it get an answer?"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1.5)
        sock.sendto(_datagram(echo_port, 7), relay)
        try:
            return bool(sock.recv(2048))
        except TimeoutError:
            return False


def _associate(port, echo_port):
    """A program of that user, with an association of its own."""
    with socket.create_connection(("127.0.0.1", port)) as tcp, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.sendall(b"\5\1\0" + b"\5\3\0\1" + bytes(6))
        answer = b""
        while len(answer) < 12:
            answer += tcp.recv(12 - len(answer))
        udp.settimeout(5)
        udp.sendto(_datagram(echo_port, 8), ("127.0.0.1", struct.unpack("!H", answer[10:])[0]))
        return udp.recv(2048)[10:] == payload(40, 8)


async def other_users(build):
    """An association that announced no port is not for the first datagram of anybody on the machine."""
    if os.geteuid() != 0:
        raise Skipped("only root can be two users")
    async with Overlay(build) as world:
        await world.start()
        program = await Program().open(world.client.ports[1])
        try:
            if await asyncio.to_thread(_as_nobody, lambda: _steal(program.udp.relay, world.echo.port)):
                raise AssertionError("another user took the association")
            if program.got:
                raise AssertionError("another user sent through the association")
            program.send(1, world.echo.port)
            await until(lambda: program.has(1), 10, "the association is dead")
            if await asyncio.to_thread(_as_nobody, lambda: _steal(program.udp.relay, world.echo.port)):
                raise AssertionError("another user took the association, later")
            refused = (await world.counters())["drop_socks_stranger"]
            if refused != 2 or "not of user 0" not in world.client.log_tail(100_000):
                raise AssertionError(f"{refused} refused, or nobody was told:\n{world.client.log_tail()}")
            if not await asyncio.to_thread(_as_nobody, lambda: _associate(world.client.ports[1], world.echo.port)):
                raise AssertionError("the other user has no service of its own")
        finally:
            program.close()


async def _talk(world, programs, seconds, targets):
    """Every program to every target, over and over. How many of its own datagrams came back to each, and how many of
    others'."""
    sent, number = [set() for _ in programs], 1000
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for index, program in enumerate(programs):
            for host in targets:
                number += 1
                sent[index].add(payload(40, number))
                program.send(number, world.echo.port, host)
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    own = [sum(data in mine for _, data in program.got) for mine, program in zip(sent, programs)]
    return own, [len(program.got) - n for n, program in zip(own, programs)], [len(mine) for mine in sent]


async def whose(build):
    """Associations that share circuits and destinations: nobody gets another's answers, and soon each has its own."""
    notes = []
    for circuits, associations, targets in ((1, 2, ["127.0.0.1"]), (8, 12, ["127.0.0.1", NAMES[0]]),
                                            (8, 8, ["127.0.0.1", NAMES[0], NAMES[1]])):
        async with Overlay(build, client={"client": {"max_circuits": circuits}}) as world:
            await world.start()
            await world.circuits(circuits)
            programs = [await Program().open(world.client.ports[1]) for _ in range(associations)]
            try:
                own, others, sent = await _talk(world, programs, 3, targets)
                # Those without a circuit get one each.
                await world.circuits(max(circuits, associations), functools.partial(_talk, world, programs, 0.1, targets))
                for program in programs:
                    program.got = []
                later = await _talk(world, programs, 3, targets)
            finally:
                for program in programs:
                    program.close()
            if any(others) or any(later[1]):
                raise AssertionError(f"{associations} on {circuits}: {sum(others)} datagrams of others, {own} own")
            if later[0] != later[2] or (associations <= circuits and own != sent):
                raise AssertionError(f"{associations} on {circuits}: {own} of {sent}, then {later[0]} of {later[2]}")
            notes.append(f"{associations} on {circuits}: {sum(own)} of {sum(sent)}, then {sum(later[0])} of {sum(later[2])}")
    return "; ".join(notes) + "; none of others"


async def dead_exits(build):
    """Of two exits one has neither resolver nor IPv6: what is asked there goes elsewhere, and new hosts not there at all."""
    bad = {"exit": {"dns_servers": "127.0.0.1:9", "deny": "::1/128"}, "tunnel": {"max_joined_circuits": 5}}
    async with Overlay(build, 2, [bad, {}], {"client": {"max_circuits": 8}}) as world:
        await world.start()
        await world.circuits(8)
        program = await Program().open(world.client.ports[1])
        try:
            async def answered(hosts, most, base):
                """Seconds until each had an answer."""
                took, begun, number = {}, time.monotonic(), base
                while len(took) < len(hosts) and time.monotonic() - begun < most:
                    for index, host in enumerate(hosts):
                        if host not in took:
                            program.send(number + index, world.echo.port, host)
                    number += 100
                    await asyncio.sleep(0.7)
                    for index, host in enumerate(hosts):
                        if any(program.has(n) for n in range(base + index, number, 100)):
                            took.setdefault(host, time.monotonic() - begun)
                return took

            first = NAMES[:8] + (["::1"] if have_ipv6() else [])
            took = await answered(first, 60, 10_000)
            if len(took) < len(first):
                raise AssertionError(f"dead: {sorted(set(first) - set(took))}")
            if len(await answered(NAMES[8:48], 60, 50_000)) < 40:  # until every circuit was asked once
                raise AssertionError("some of many are dead")
            before = (await world.counters())["socks_moved"]
            again = await answered(NAMES[48:], 10, 90_000)
            late = [host for host in NAMES[48:] if again.get(host, 99) > 3.5]
            moved = (await world.counters())["socks_moved"]
            if late or moved != before:
                raise AssertionError(f"asked again at exits that cannot: {late}, {moved - before} moved")
            return f"{len(first)} hosts after {max(took.values()):.0f} s at most, the last {len(again)} at once, {moved} moved"
        finally:
            program.close()


async def trackers(build):
    """Of two exits one has no resolver: requests to trackers are answered by the other one."""
    bad = {"exit": {"dns_servers": "127.0.0.1:9"}, "tunnel": {"max_joined_circuits": 5}}
    async with Overlay(build, 2, [bad, {}], {"client": {"max_circuits": 8}}) as world:
        tracker = await Tracker().start()
        try:
            await world.start()
            await world.circuits(8)
            path, (wanted, _) = next((path, answer) for path, answer in ANSWERS.items() if answer[1])
            rounds = []
            for _ in range(4):
                answers = await asyncio.gather(*[
                    ask_socks(world.client.ports[1], NAMES[0], tracker.port, get(path), 20.0) for _ in range(8)])
                rounds.append(sum(answer == wanted for answer in answers))
            # Each of five circuits at the bad exit may cost one request.
            if rounds[-1] < 8 or sum(rounds) < 4 * 8 - 5:
                raise AssertionError(f"of 8 each were answered: {rounds}")
            return f"of 8 each were answered: {rounds}"
        finally:
            tracker.close()


async def hung_up(build, requests=600):
    """A program asks a dead tracker again and again, and hangs up each time; others wait for what is under way only."""
    async def never(reader, writer):
        await reader.read()
        writer.close()

    async def hang_up(port, tracker_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\5\1\0\5\1\0\1\x7f\0\0\1" + struct.pack("!H", tracker_port) + get("/dead"))
        await reader.readexactly(12)
        await asyncio.sleep(0.01)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with Overlay(build, 2) as world:
        await world.start()
        tracker = await Tracker().start()
        dead = await asyncio.start_server(never, "127.0.0.1", 0)
        try:
            port, dead_port = world.client.ports[1], dead.sockets[0].getsockname()[1]
            for _ in range(requests // 20):
                await asyncio.gather(*[hang_up(port, dead_port) for _ in range(20)], return_exceptions=True)
            said = (await world.counters())["socks_requests"]
            if said < requests / 2:
                raise AssertionError(f"{said} of {requests} requests were made: nothing was tested")
            begun = time.monotonic()
            answer = await ask_socks(port, "127.0.0.1", tracker.port, get("/length"), 20.0)
            took = time.monotonic() - begun
            if not answer:
                raise AssertionError(f"no answer from another tracker behind {said} requests of who hung up")
            return f"answered after {took:.1f} s behind {said} requests"
        finally:
            dead.close()
            tracker.close()


CASES = [
    ("programs that ask before there are circuits", before_circuits),
    ("datagrams wait for the first circuit", held),
    ("other users of the machine", other_users),
    ("whose answer is it", whose),
    ("exits that cannot reach a host", dead_exits),
    ("exits that cannot reach a tracker", trackers),
    ("programs that hang up", hung_up),
]
