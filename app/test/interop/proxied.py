# SPDX-License-Identifier: BSD-3-Clause
"""Programs behind `peel client`: SOCKS5 clients of other makers (PySocks, curl), and many associations at once."""

import asyncio
import shutil
import socket
import struct

import socks as pysocks

from .client import EchoClient
from .echo import payload
from .http import ANSWERS, Tracker, ask_socks, get
from .net import until
from .peelclient import PeelClient, command, speedtest
from .peer import EXIT_HTTP
from .runner import Skipped
from .socks import SocksUdp
from .world import EXIT_FLAGS, TEST_NAME, World

HTTP_FLAGS = EXIT_FLAGS + (EXIT_HTTP,)


def _pysocks(port, user=None, password=None):
    sock = pysocks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.set_proxy(pysocks.SOCKS5, "127.0.0.1", port, True, user, password)
    sock.settimeout(10)
    return sock


def _echo_with_pysocks(port, host, echo_port):
    """Datagrams of all sizes there and back, one after the other. In a thread: PySocks blocks."""
    with _pysocks(port) as sock:
        for number, size in enumerate(range(2, 1357, 54)):
            data = payload(size, number)
            sock.sendto(data, (host, echo_port))
            back, origin = sock.recvfrom(2048)
            if back != data or origin != ("127.0.0.1", echo_port):
                raise AssertionError(f"{size} bytes came back as {len(back)} from {origin}")
        return number + 1


async def udp_of_pysocks(world, client):
    for port in client.ports.values():
        for host in ("127.0.0.1", TEST_NAME):
            await asyncio.to_thread(_echo_with_pysocks, port, host, world.echo_port)
    return f"{len(client.ports)} lengths of circuits"


async def ipv6(world, client):
    if "::1" not in world.echo_hosts():
        raise Skipped("no IPv6 here")
    udp = await SocksUdp().open(client.ports[2])
    try:
        echo = EchoClient(lambda data: udp.send("::1", world.echo_port, data), ("::1", world.echo_port))
        udp.on_data = echo.on_data
        result = await echo.run(range(2, 1300, 100), window=4)
        if result["lost"] or result["bad"]:
            raise AssertionError(result)
    finally:
        udp.close()


async def many_associations(world, client):
    """Associations side by side, all with one destination: each gets its own answers and no others'. There are more of
    them than circuits; those that came last own none and keep silent, as what comes from an address that two of one
    circuit write to is the owner's."""
    udps, echoes = [], []
    try:
        for number in range(7):
            udp = await SocksUdp().open(client.ports[2])
            udps.append(udp)
            if number < 4:
                echoes.append(EchoClient(lambda data, udp=udp: udp.send("127.0.0.1", world.echo_port, data)))
                udp.on_data = echoes[-1].on_data
        results = await asyncio.gather(*[echo.run([100 + n] * 50, window=2, first=10_000 * n)
                                         for n, echo in enumerate(echoes)])
        if any(r["lost"] or r["bad"] for r in results):
            raise AssertionError(results)
        return f"{sum(r['received'] for r in results)} datagrams"
    finally:
        for udp in udps:
            udp.close()


class _Elsewhere(asyncio.DatagramProtocol):
    """Answers from another port than it was asked at: as peers behind some routers do, or the DHT."""

    def __init__(self):
        self.transport = self.other = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.other.sendto(data, addr)


async def unasked(world, client):
    """What comes in from an address nobody wrote to reaches the association whose circuit it is, and is answered."""
    del world
    loop = asyncio.get_running_loop()
    heard = asyncio.Queue()

    class Other(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            heard.put_nowait(data)

    _, elsewhere = await loop.create_datagram_endpoint(_Elsewhere, local_addr=("127.0.0.1", 0))
    elsewhere.other, _ = await loop.create_datagram_endpoint(Other, local_addr=("127.0.0.1", 0))
    udps = [await SocksUdp().open(client.ports[3]) for _ in range(2)]
    try:
        got = [asyncio.Queue(), asyncio.Queue()]
        for udp, queue in zip(udps, got):
            udp.on_data = lambda origin, data, queue=queue: queue.put_nowait((origin, data))
        port = elsewhere.transport.get_extra_info("sockname")[1]
        from_port = elsewhere.other.get_extra_info("sockname")[1]
        for number, (udp, queue) in enumerate(zip(udps, got)):
            udp.send("127.0.0.1", port, payload(50, number))
            origin, data = await asyncio.wait_for(queue.get(), 10)
            if (origin, data) != (("127.0.0.1", from_port), payload(50, number)):
                raise AssertionError(f"{len(data)} bytes from {origin}")
            udp.send(*origin, payload(60, number))
            if await asyncio.wait_for(heard.get(), 10) != payload(60, number):
                raise AssertionError("the answer did not arrive")
        if any(not queue.empty() for queue in got):
            raise AssertionError("somebody got the other's")
    finally:
        for udp in udps:
            udp.close()
        elsewhere.transport.close()
        elsewhere.other.close()


async def trackers(world, client):
    """CONNECT carries one HTTP request: by curl, from an address and a name, and by hand, more than an exit does at once."""
    del world
    tracker = await Tracker().start()
    try:
        good = [path for path, (_, back) in ANSWERS.items() if back]
        if shutil.which("curl"):
            for host in ("127.0.0.1", TEST_NAME):
                process = await asyncio.create_subprocess_exec(
                    "curl", "-sS", "--max-time", "20", "--socks5-hostname", f"127.0.0.1:{client.ports[2]}",
                    f"http://{host}:{tracker.port}/length", stdout=asyncio.subprocess.PIPE)
                out, _ = await process.communicate()
                if process.returncode != 0 or not ANSWERS["/length"][0].endswith(b"\r\n\r\n" + out) or not out:
                    raise AssertionError(f"curl: {process.returncode}, {out[:100]!r}")
        answers = await asyncio.gather(*[
            ask_socks(client.ports[hops], "127.0.0.1", tracker.port, get(path), 15.0)
            for path in good for hops in client.ports])
        wrong = [path for path, answer in zip([p for p in good for _ in client.ports], answers)
                 if answer != ANSWERS[path][0]]
        if wrong:
            raise AssertionError(f"no answer, or another: {wrong}")
        # What trackers do not say does not come back, and what is no request does not leave.
        if await ask_socks(client.ports[1], "127.0.0.1", tracker.port, get("/page"), 15.0):
            raise AssertionError("a page came back")
        before = tracker.requests
        for request in (b"\x16\x03\x01\x02\x00", b"SSH-2.0-x\r\n", get("/length") + get("/length")):
            try:
                if await ask_socks(client.ports[1], "127.0.0.1", tracker.port, request, 15.0):
                    raise AssertionError(f"{request[:20]!r} got an answer")
            except ConnectionError:
                pass
        if tracker.requests != before:
            raise AssertionError("what is no request left the exit")
        return f"{len(answers)} answers" + ("" if shutil.which("curl") else ", without curl")
    finally:
        tracker.close()


async def passwords(world, binary):
    """Name and password, as PySocks and curl send them; a wrong one is refused."""
    addresses = [(r.ip, r.port) for r in world.relays]
    client = await PeelClient(addresses, (1,), binary, {"socks": {"user": "me", "password": "s3cret"}}).start()
    try:
        await client.settle()

        def talk(password):
            with _pysocks(client.ports[1], "me", password) as sock:
                sock.sendto(payload(20, 1), ("127.0.0.1", world.echo_port))
                return sock.recvfrom(2048)[0]

        if await asyncio.to_thread(talk, "s3cret") != payload(20, 1):
            raise AssertionError("no echo")
        for wrong in ("S3cret", None):
            try:
                await asyncio.to_thread(talk, wrong)
            except pysocks.ProxyError:
                continue
            raise AssertionError(f"{wrong} was good enough")
    finally:
        await client.stop()


async def commands(world, binary):
    """`peel send` and `peel speedtest` through every length."""
    addresses = [(r.ip, r.port) for r in world.relays]
    servers = [word for a, p in addresses for word in ("-b", f"{a}:{p}")]
    for hops in (1, 2, 3):
        code, out, err = await command(binary, "send", *servers, "--hops", str(hops), TEST_NAME,
                                       str(world.echo_port), stdin=b"d1:a1:be")
        if (code, out) != (0, b"d1:a1:be\n") or f"127.0.0.1:{world.echo_port}, 8 bytes" not in err:
            raise AssertionError(f"{hops} hops: {code}, {out!r}\n{err}")
    code, out, _ = await command(binary, "send", *servers, "--hops", "1", "--hex", "127.0.0.1",
                                 str(world.echo_port), "de")
    if (code, out) != (0, b"6465\n"):
        raise AssertionError(f"{code}, {out!r}")
    # Nobody answers what the exit's policy keeps.
    code, out, err = await command(binary, "send", *servers, "--hops", "1", "--wait", "1", "127.0.0.1",
                                   str(world.echo_port), "hello")
    if (code, out) != (1, b"") or "no answer" not in err:
        raise AssertionError(f"{code}, {out!r}\n{err}")
    rates = []
    for hops, form in ((1, "--rust"), (3, "--size=1000")):
        result = await speedtest(binary, addresses, hops, form)
        if result["hops"] != hops or result["rtt_ms"]["answered"] != 20:
            raise AssertionError(result)
        if any(result[way]["answered"] < 0.5 * result[way]["sent"] or not result[way]["sent"] for way in ("up", "down")):
            raise AssertionError(result)
        rates.append(f"{result['down']['bytes_per_second'] / 1e6:.0f} MB/s through {hops}")
    return ", ".join(rates)


async def leaves_nothing(world, client):
    """An ended association frees its circuits for others; an ended client leaves no circuit at the relays."""
    udp = await SocksUdp().open(client.ports[1])
    relay = udp.relay
    udp.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.connect(relay)

        def closed():
            try:
                sock.send(b"\0\0\0\1" + bytes(4) + struct.pack("!H", 1))
                sock.recv(1)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                pass
            return False

        await until(lambda: asyncio.to_thread(closed), 5, "the relay socket stays open")
    begin = (await client.own_circuits())["ready"]
    await client.stop()
    # Destroys take 5 s. A hop that was just being asked to join hears of none, and lets go after 20 s of silence.
    await world.empty(30)
    return f"{begin} circuits"


async def one_world(runner, binary, kinds, name):
    """A client among relays of these kinds; the last one is a Peel exit."""
    async with World(kinds, "python", binary, exit_flags=HTTP_FLAGS) as world:
        await world.settle()
        client = await PeelClient([(r.ip, r.port) for r in world.relays], (1, 2, 3), binary).start()
        world.started.append(client)
        await runner.case(f"{name}: circuits", client.settle)
        await runner.case(f"{name}: PySocks", udp_of_pysocks, world, client)
        await runner.case(f"{name}: IPv6", ipv6, world, client)
        await runner.case(f"{name}: many associations", many_associations, world, client)
        await runner.case(f"{name}: unasked", unasked, world, client)
        await runner.case(f"{name}: trackers", trackers, world, client)
        await runner.case(f"{name}: passwords", passwords, world, binary)
        await runner.case(f"{name}: commands", commands, world, binary)
        await runner.case(f"{name}: leaves nothing", leaves_nothing, world, client)
