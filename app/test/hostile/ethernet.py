# SPDX-License-Identifier: BSD-3-Clause
"""A relay on the ethdev port, in network namespaces: forged fragments, silence, and interfaces that change or go away.

Needs root, and is skipped without it.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import subprocess
import threading
import time

from interop.netns import Ethernet
from interop.peelproc import PeelNode
from interop.runner import Skipped
from interop.status import flatten

PORT = 8090
RELAY, HONEST, STRANGER = 1, 2, 3
CLONE_NEWNET = 0x40000000


def socket_in(prefix, *kind):
    """A socket of another network namespace, given as the prefix of its commands."""
    made = []

    def make():
        with open(f"/run/netns/{prefix[-1]}", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0:
                made.append(socket.socket(*kind))

    thread = threading.Thread(target=make)  # the namespace is a thread's
    thread.start()
    thread.join()
    if not made:
        raise RuntimeError(f"no socket in {prefix[-1]}")
    return made[0]


def internet_checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def run_in(prefix, *command, check=True):
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class EthernetWorld:
    """A relay with a DPDK port in its namespace, and two kernels on the same switch."""

    def __init__(self, build, device="net_af_packet", **port):
        if os.geteuid() != 0:
            raise Skipped("network namespaces need root")
        self.binary, self.device, self.port = f"{build}/app/peel/peel", device, port
        self.ethernet = Ethernet()
        self.nodes = []

    async def __aenter__(self):
        self.ethernet.__enter__()
        try:
            self.prefix, self.ip, self.ip6, self.mac = self.ethernet.add(RELAY, kernel=False)
            self.honest, self.honest_ip, _, self.honest_mac = self.ethernet.add(HONEST)
            self.stranger, _, _, self.stranger_mac = self.ethernet.add(STRANGER)
            self.relay = await self.node().start()
            return self
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_):
        try:
            for node in self.nodes:
                await node.kill()
        finally:
            self.ethernet.__exit__()

    def node(self, name="relay", **port):
        """One more relay on the same interface, not started."""
        settings = {"driver": "ethdev", "device": f"{self.device}0,iface=eth0", "listen": None,
                    "address": f"{self.ip}/24", "gateway": "10.99.0.254", **self.port, **port}
        node = PeelNode(self.ip, PORT, walk_to=[(self.honest_ip, PORT)], binary=self.binary, prefix=self.prefix,
                        overrides={"port": settings, "workers": {"idle": "sleep"}}, name=name)
        self.nodes.append(node)
        return node

    async def numbers(self, node=None):
        return flatten(await (node or self.relay).status())

    def ping(self, count=1, interval=0.2):
        """Round trips in milliseconds, of the answers that came within a second. Blocks."""
        trips = []
        with contextlib.closing(socket_in(self.honest, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)) as s:
            s.settimeout(1)
            for i in range(count):
                request = struct.pack("!HHHH", 0x0800, 0, 1, i)
                request = struct.pack("!HHHH", 0x0800, internet_checksum(request), 1, i)
                start = time.monotonic()
                s.sendto(request, (self.ip, 0))
                with contextlib.suppress(socket.timeout):
                    while s.recv(2000)[20:] != b"\0\0" + struct.pack("!HHH", 0xfffe - i, 1, i):
                        pass
                    trips.append(1000 * (time.monotonic() - start))
                time.sleep(interval)
        return trips


async def until(condition, what, seconds=20.0):
    """Wait until the coroutine function gives something true; gives that."""
    end = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.2)


# ---- fragments -------------------------------------------------------------------------------------------------------


def first_fragment(number, source_mac, mac, ip):
    """The first part of a datagram whose rest never comes, from an address that somebody made up."""
    source = struct.pack("!I", 0xc6000000 | (number * 2654435761 & 0xffffff))
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + 1000, number & 0xffff, 0x2000, 64, 17, 0, source,
                         socket.inet_aton(ip))
    header = header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:]
    address = [bytes.fromhex(text.replace(":", "")) for text in (mac, source_mac)]
    return address[0] + address[1] + b"\x08\x00" + header + struct.pack("!HHHH", 5000, PORT, 1900, 0) + bytes(992)


class Flood(threading.Thread):
    """First fragments at a steady rate, until stopped."""

    def __init__(self, world, rate):
        super().__init__()
        self.rate, self.sent, self.ended = rate, 0, False
        self.socket = socket_in(world.stranger, socket.AF_PACKET, socket.SOCK_RAW)
        self.socket.bind(("eth0", 0))
        self.frames = [first_fragment(i, world.stranger_mac, world.mac, world.ip) for i in range(50000)]

    def run(self):
        start = time.monotonic()
        while not self.ended:
            due = int((time.monotonic() - start) * self.rate)
            for _ in range(min(due - self.sent, 200)):
                self.socket.send(self.frames[self.sent % len(self.frames)])
                self.sent += 1
            time.sleep(0.001)
        self.seconds = time.monotonic() - start
        self.socket.close()

    def stop(self):
        self.ended = True
        self.join()
        return self.sent / self.seconds


async def fragments(build):
    """Datagrams in two parts, while a stranger sends first parts in the name of everybody."""
    async with EthernetWorld(build, "net_af_xdp") as world:
        honest = socket_in(world.honest, socket.AF_INET, socket.SOCK_DGRAM)
        before = (await world.numbers())["datagrams_reassembled"]
        flood = Flood(world, 10000)
        flood.start()
        try:
            for _ in range(500):
                honest.sendto(bytes(1900), (world.ip, PORT))
                await asyncio.sleep(0.01)
        finally:
            rate = flood.stop()
            honest.close()
        await asyncio.sleep(0.5)
        numbers = await world.numbers()
        arrived = numbers["datagrams_reassembled"] - before
        assert arrived >= 475, f"{arrived} of 500 arrived"
        return f"{arrived} of 500 arrived, {rate:.0f} forged parts a second"


# ---- silence ---------------------------------------------------------------------------------------------------------


async def silence(build):
    """A relay without work takes next to nothing, and still answers at once."""
    notes = []
    for device in ("net_af_packet", "net_af_xdp"):
        async with EthernetWorld(build, device) as world:
            await asyncio.sleep(3)
            before, start = await world.relay.cpu(), time.monotonic()
            await asyncio.sleep(5)
            share = (await world.relay.cpu() - before) / (time.monotonic() - start)
            trips = sorted(await asyncio.to_thread(world.ping, 20, 0.2))
            assert share <= 0.05, f"{device}: {100 * share:.1f} % of a core"
            assert len(trips) >= 18, f"{device}: {len(trips)} of 20 pings answered"
            notes.append(f"{device}: {100 * share:.1f} % of a core, ping after silence: "
                         f"median {trips[len(trips) // 2]:.2f} ms, longest {trips[-1]:.2f} ms")
    return "; ".join(notes)


CASES = [
    ("forged first fragments", fragments),
    ("an idle relay", silence),
]
