# SPDX-License-Identifier: BSD-3-Clause
"""A relay on the ethdev port, in network namespaces: forged fragments, silence, and interfaces that change or go away.

Needs root, and is skipped without it.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import socket
import struct
import subprocess
import threading
import time

from interop.netns import Ethernet
from interop.peelproc import PeelNode
from interop.remote import Remote
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
                    while s.recv(2000)[20:] != struct.pack("!HHHH", 0, 0xfffe - i, 1, i):
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


# ---- interfaces that change ------------------------------------------------------------------------------------------


async def smaller_mtu(build):
    """What no longer fits leaves in parts once the relay has noticed, and what was lost until then is counted."""
    notes = []
    for device in ("net_af_packet", "net_af_xdp"):
        async with EthernetWorld(build, device) as world:
            origin = Remote("peer", {"ip": world.honest_ip, "port": PORT, "flags": [], "walk_to": [(world.ip, PORT)],
                                     "settings": {"max_circuits": 0}}, world.honest, "originator")
            try:
                await origin.start()
                key = (await world.relay.info())["key"]

                async def known(origin=origin, key=key):
                    return key in await origin.candidates()

                await until(known, "the originator knows the relay")
                circuit = await origin.build([key])
                lost, numbers = await shrink(world, origin, circuit)
            finally:
                await origin.stop()
            run_in(world.prefix, "ip", "link", "set", "eth0", "mtu", "1500")
            await until(lambda: mtu_is(world, 1500), "the MTU is 1500 again")
            notes.append(f"{device}: {lost} frames vanished, {numbers['interface_tx_lost']} counted")
    return "; ".join(notes)


async def mtu_is(world, mtu):
    return (await world.numbers())["mtu"] == mtu


async def shrink(world, origin, circuit):
    """Answers of 1380 bytes while the MTU becomes 1300: how many were lost, and the status afterwards."""
    async def answer(timeout):
        try:
            return await origin.speed(circuit, 100, 1380, 1, timeout)
        except RuntimeError:
            return 0

    assert await answer(10)
    assert (await world.numbers())["interface_tx_lost"] == 0
    run_in(world.prefix, "ip", "link", "set", "eth0", "mtu", "1300")
    lost = 0
    while not await mtu_is(world, 1300):
        lost += not await answer(0.25)
        assert lost < 40, "the MTU is not noticed"
    numbers = await world.numbers()
    assert numbers["interface_tx_lost"] >= lost - 1, f"{lost} lost, {numbers['interface_tx_lost']} counted"
    assert "the MTU of interface eth0 is 1300 now" in world.relay.log_tail(), world.relay.log_tail()
    for _ in range(20):
        assert await answer(10), "an answer in parts is lost"
    assert (await world.numbers())["datagrams_fragmented"] >= 20
    return lost, numbers


async def answers(world):
    return await asyncio.to_thread(world.ping, 1, 0)


async def is_gone(world):
    run_in(world.prefix, "ip", "link", "del", "eth0")

    async def gone():
        return (await world.numbers())["device_present"] == 0

    await until(gone, "the status says that the interface is gone")
    assert "interface eth0 is gone" in world.relay.log_tail(), world.relay.log_tail()


async def deleted_and_back(build):
    """The interface goes, stays away, and comes again with another link address; then the link goes down and up."""
    async with EthernetWorld(build) as world:
        await until(lambda: answers(world), "a ping is answered")
        await is_gone(world)
        await asyncio.sleep(2)
        world.ethernet.plug_in(RELAY, "02:99:00:00:00:77")
        start = time.monotonic()
        await until(lambda: answers(world), "pings are answered again")
        took = time.monotonic() - start
        assert "interface eth0 is back" in world.relay.log_tail(), world.relay.log_tail()
        run_in(world.prefix, "ip", "link", "set", "eth0", "down")

        async def link(state):
            return (await world.numbers())["link_up"] == state

        await until(lambda: link(0), "the link is down")
        run_in(world.prefix, "ip", "link", "set", "eth0", "up")
        await until(lambda: link(1), "the link is up")
        await until(lambda: answers(world), "pings are answered after the link came back")
        assert await world.relay.stop() == 0
    return f"back on the air after {took:.1f} s"


async def deleted_without_rights(build):
    """af_xdp needs rights that were given up: the relay waits for the interface, then ends for who starts it again."""
    async with EthernetWorld(build, "net_af_xdp") as world:
        await until(lambda: answers(world), "a ping is answered")
        await is_gone(world)
        world.ethernet.plug_in(RELAY, world.mac)
        code = await asyncio.wait_for(world.relay.process.wait(), 20)
        assert code == 1, f"ended with {code}"
        assert "the rights to open it were given up" in world.relay.log_tail(), world.relay.log_tail()
        await world.node("again").start()
        await until(lambda: answers(world), "pings are answered again")


async def deleted_and_told_to_end(build):
    """device_lost = end: exit code 1, and why."""
    async with EthernetWorld(build, device_lost="end") as world:
        run_in(world.prefix, "ip", "link", "del", "eth0")
        code = await asyncio.wait_for(world.relay.process.wait(), 20)
        assert code == 1, f"ended with {code}"
        assert "interface eth0 is gone" in world.relay.log_tail(), world.relay.log_tail()


# ---- networks of hosting companies -----------------------------------------------------------------------------------


async def gateway_elsewhere(build):
    """An address of /32, and a gateway that is not in its network."""
    own = "203.0.113.7"
    async with EthernetWorld(build, address=f"{own}/32", gateway="10.99.0.2", address6="2001:db8::7/128",
                             gateway6="fd99::2") as world:
        world.ip = own
        run_in(world.honest, "ip", "route", "add", f"{own}/32", "dev", "eth0")
        await until(lambda: answers(world), "a ping is answered")
        # It walks to its bootstrap server, which is the gateway here.
        with contextlib.closing(socket_in(world.honest, socket.AF_INET, socket.SOCK_DGRAM)) as s:
            s.bind((world.honest_ip, PORT))
            s.settimeout(20)
            sender = (await asyncio.to_thread(s.recvfrom, 2000))[1]
        assert sender[0] == own, sender
        assert (await world.numbers())["drop_neighbour"] == 0


# ---- two on one interface --------------------------------------------------------------------------------------------


async def second_relay(build):
    """A second one on the interface does not start, says why, and does the first no harm."""
    for device in ("net_af_packet", "net_af_xdp"):
        async with EthernetWorld(build, device) as world:
            await until(lambda: answers(world), "a ping is answered")
            second = world.node("second")
            try:
                await second.start()
            except RuntimeError as error:
                assert "interface eth0 is used by another" in str(error), error
            else:
                raise AssertionError(f"two on one interface with {device}")
            assert await asyncio.to_thread(world.ping, 3, 0.1), f"{device}: the first is deaf"
            # The end of the first sets it free, also a hard one, which leaves the XDP program behind.
            await world.relay.kill()
            await second.start()
            await until(lambda: answers(world), "the second answers")


async def program_taken_off(build):
    """Somebody takes our XDP program off the interface: said, and put there again."""
    async with EthernetWorld(build, "net_af_xdp") as world:
        await until(lambda: answers(world), "a ping is answered")
        run_in(world.prefix, "ip", "link", "set", "eth0", "xdp", "off")
        await asyncio.sleep(1.5)
        await until(lambda: answers(world), "pings are answered again")
        assert "took our XDP program off" in world.relay.log_tail(), world.relay.log_tail()


def pass_all(prefix):
    """Put an XDP program of ours, which passes all frames on, on eth0 there; gives its id."""
    def bpf(command, attributes):
        area = ctypes.create_string_buffer(attributes, 128)
        result = ctypes.CDLL(None, use_errno=True).syscall(321, command, area, 128)
        if result < 0:
            raise OSError(ctypes.get_errno(), "bpf")
        return result

    code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0))  # return XDP_PASS
    license_text = ctypes.create_string_buffer(b"GPL")
    program = bpf(5, struct.pack("<IIQQ", 6, 2, ctypes.addressof(code), ctypes.addressof(license_text)))
    with contextlib.closing(socket_in(prefix, socket.AF_NETLINK, socket.SOCK_RAW, 0)) as s:
        index = int(run_in(prefix, "cat", "/sys/class/net/eth0/ifindex"))
        attribute = struct.pack("<HHi", 8, 1, program)  # IFLA_XDP_FD in IFLA_XDP
        body = struct.pack("<BxHiII", 0, 0, index, 0, 0) + struct.pack("<HH", 4 + len(attribute), 43 | 0x8000) + attribute
        s.send(struct.pack("<IHHII", 16 + len(body), 19, 5, 1, 0) + body)
        error = struct.unpack_from("<i", s.recv(4096), 16)[0]
        assert error == 0, os.strerror(-error)
    os.close(program)  # the interface holds it


def program_on(prefix):
    found = re.search(r"prog/xdp id (\d+)", run_in(prefix, "ip", "-d", "link", "show", "eth0"))
    return found and found[1]


async def end_of_xdp(build):
    """A confined relay takes its XDP program off, and no library below it writes past the log."""
    async with EthernetWorld(build, "net_af_xdp") as world:
        await until(lambda: answers(world), "a ping is answered")
        assert program_on(world.prefix), "no program"
        await world.relay.stop()
        assert not program_on(world.prefix), "its program is still there"
        log = world.relay.log_tail(1 << 20).splitlines()
        foreign = [line for line in log if not re.match("(error|warning|info): ", line) or "libxdp" in line]
        assert "info: stopping" in log and not foreign, foreign


async def program_of_others(build):
    """An XDP program of somebody else stays where it is, whether it was there first or came while we ran."""
    async with EthernetWorld(build, "net_af_xdp") as world:
        await until(lambda: answers(world), "a ping is answered")
        pass_all(world.prefix)
        foreign = program_on(world.prefix)

        async def said():
            return "the XDP program of somebody else" in world.relay.log_tail()

        await until(said, "the log says so")
        assert (await world.numbers())["device_present"] == 0
        await world.relay.stop()
        assert program_on(world.prefix) == foreign, "the end took it off"
        try:
            await world.node("second").start()
        except RuntimeError as error:
            assert "of somebody else" in str(error), error
        else:
            raise AssertionError("started on an interface that is taken")
        assert program_on(world.prefix) == foreign, "the attempt took it off"


CASES = [
    ("forged first fragments", fragments),
    ("an idle relay", silence),
    ("an MTU that shrinks", smaller_mtu),
    ("an interface deleted and made again", deleted_and_back),
    ("an interface deleted under af_xdp", deleted_without_rights),
    ("an interface deleted, and told to end", deleted_and_told_to_end),
    ("a gateway outside of the network", gateway_elsewhere),
    ("a second relay on the interface", second_relay),
    ("an XDP program taken off", program_taken_off),
    ("an XDP program of somebody else", program_of_others),
    ("the end of af_xdp", end_of_xdp),
]
