# SPDX-License-Identifier: BSD-3-Clause
"""The world of three relays again, each in a network namespace, with Peel on a DPDK port."""

from .netns import Ethernet
from .peelproc import PeelNode
from .remote import Remote
from .world import EXIT_FLAGS, RELAY_FLAGS, World

PORT = 8090
ECHO = 100
ORIGIN = 99


class NetnsWorld(World):
    """`device` names the DPDK driver of the Peel relays: net_af_packet or net_af_xdp. Several workers need the former:
    an interface of a namespace has one queue, and the kernel shares it among the sockets of net_af_packet."""

    def __init__(self, kinds, device, binary=None, workers=1):
        super().__init__(kinds, "python", binary)
        self.device, self.workers = device, workers
        self.ethernet = Ethernet()
        self._echo_port = 0
        self.echo_ip = f"10.99.0.{ECHO}"

    async def _start(self):
        self.ethernet.__enter__()
        prefix, ip4, ip6, _ = self.ethernet.add(ECHO)
        self.echo_process = Remote("echo", {"ip4": ip4, "ip6": ip6}, prefix, "echo server")
        self.started.append(self.echo_process)
        await self.echo_process.start()
        self._echo_port = await self.echo_process.where()

        addresses = [(f"10.99.0.{i + 1}", PORT) for i in range(len(self.kinds))]
        for i, kind in enumerate(self.kinds):
            flags = EXIT_FLAGS if i == len(self.kinds) - 1 else RELAY_FLAGS
            relay = self._relay(i + 1, kind, flags, addresses[:i] + addresses[i + 1:])
            self.started.append(relay)
            self.relays.append(await relay.start())
        self.keys = [(await relay.info())["key"] for relay in self.relays]
        prefix, ip4, _, _ = self.ethernet.add(ORIGIN)
        self.origin = Remote("peer", {"ip": ip4, "port": PORT, "flags": [], "walk_to": addresses,
                                      "settings": {"max_circuits": 0}}, prefix, "originator")
        self.started.append(self.origin)
        await self.origin.start()

    def _relay(self, number, kind, flags, others):
        name = f"{kind} {number}"
        if kind != "peel":
            prefix, ip4, _, _ = self.ethernet.add(number)
            return Remote("peer", {"ip": ip4, "port": PORT, "flags": sorted(flags), "walk_to": others,
                                   "endpoint": kind, "exit_ip": "::" if kind == "rust" else "0.0.0.0",
                                   "settings": {"max_joined_circuits": 1000}}, prefix, name)
        prefix, ip4, ip6, _ = self.ethernet.add(number, kernel=False)
        queues = f",qpairs={self.workers}" if self.workers > 1 else ""
        port = {"driver": "ethdev", "device": f"{self.device}0,iface=eth0{queues}", "address": f"{ip4}/24",
                "address6": f"{ip6}/64", "gateway": "10.99.0.254", "exit_ports": "20000-29999"}
        # Workers that spin would outnumber the CPUs of a small machine.
        return PeelNode(ip4, PORT, flags, others, self.binary, prefix,
                        overrides={"port": port, "workers": {"idle": "sleep", "count": self.workers}}, name=name)

    @property
    def echo_port(self):
        return self._echo_port

    async def echo_received(self):
        return await self.echo_process.received()

    def echo_hosts(self):
        return [self.echo_ip, f"fd99::{ECHO:x}"]

    async def close(self):
        try:
            await super().close()
        finally:
            self.ethernet.__exit__()
