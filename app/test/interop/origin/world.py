# SPDX-License-Identifier: BSD-3-Clause
"""Relays of all kinds on loopback, and an originator that may use any of them."""

import asyncio
import os
import signal

from ..echo import DnsServer, EchoServer
from ..net import free_ports, have_ipv6, stop_all, until
from ..peelproc import PeelNode
from ..peer import EXIT_BT, EXIT_IPV8, RELAY, SPEED_TEST
from ..remote import Remote
from ..world import TEST_NAME, make_relay

RELAY_FLAGS = (RELAY, SPEED_TEST)
EXIT_FLAGS = (RELAY, EXIT_BT, EXIT_IPV8, SPEED_TEST)
QUICK = {"min_circuits": 1, "max_circuits": 4}


async def echo_server(ip):
    return await EchoServer().start(ip, "::1" if have_ipv6() else None, free_ports(1, ip)[0])


class OriginatorProcess(Remote):
    """A crash is an error, also one at the very end."""

    async def stop(self):
        await super().stop()
        if self.process and self.process.returncode:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}")


def originator(addresses, settings=None, poll=False, name="originator", prefix=()):
    """An originator in a process of its own, not started yet."""
    options = {"settings": {"bootstrap": [f"{ip}:{port}" for ip, port in addresses],
                            "peer_flags": 0, **QUICK, **(settings or {})}, "poll": poll, "name": name}
    environment = ["env", f"LD_PRELOAD={os.environ['PEEL_PRELOAD']}"] if "PEEL_PRELOAD" in os.environ else []
    return OriginatorProcess("interop.origin.node:Originator", options, [*prefix, *environment], name)


class OriginWorld:
    """`nodes`: (kind, flags) of each relay. `apart`: relays that are not Peel get processes of their own too, so
    that each can be killed. `addresses` and `prefix`: where the nodes are, in which network namespace."""

    echo_ip = "127.0.0.1"

    def __init__(self, nodes, settings=None, poll=False, binary=None, overrides=None, relay_settings=None,
                 apart=False, deaf=(), addresses=None, prefix=(),
                 listen="127.0.0.1:0"):
        self.listen = listen
        self.nodes, self.settings, self.poll, self.binary = list(nodes), settings, poll, binary
        self.overrides, self.relay_settings = overrides or {}, relay_settings or {}
        self.apart, self.deaf = apart, set(deaf)
        self.addresses, self.prefix = addresses, list(prefix)
        self.relays, self.started, self.keys = [], [], []
        self.origin = self.echo = self.dns = None

    async def __aenter__(self):
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def _start(self):
        self.echo = await echo_server(self.echo_ip)
        self.dns = await DnsServer({TEST_NAME: self.echo_ip}).start()
        if self.addresses is None:
            self.addresses = [("127.0.0.1", port) for port in free_ports(len(self.nodes))]
        for i in range(len(self.nodes)):
            await self.add(i)
        self.origin = await self.another(self.settings, self.poll, listen=self.listen)

    async def add(self, i):
        """Start relay number i, again if it was there before."""
        kind, flags = self.nodes[i]
        relay = self._relay(i, kind, flags, self.addresses[:i] + self.addresses[i + 1:])
        self.started.append(relay)
        await relay.start()
        key = (await relay.info())["key"]
        if i < len(self.relays):
            self.relays[i], self.keys[i] = relay, key
        else:
            self.relays.append(relay)
            self.keys.append(key)
        return relay

    def _relay(self, i, kind, flags, others):
        name = f"{kind} {i + 1}"
        ip, port = self.addresses[i]
        # One byte is nothing that the standard policy lets out.
        overrides = {"exit": {"dns_servers": "%s:%d" % self.dns.address,
                              "policy": "any" if EXIT_BT in flags else "standard"}}
        for section, values in self.overrides.items():
            overrides.setdefault(section, {}).update(values)
        if kind == "peel":
            return PeelNode(ip, port, flags, others, self.binary, self.prefix, overrides=overrides, name=name)
        if not self.apart:
            return make_relay(kind, port, flags, others, settings=self.relay_settings, deaf=i in self.deaf, name=name)
        return Remote("peer", {"ip": ip, "port": port, "flags": sorted(flags), "walk_to": others, "endpoint": kind,
                               "deaf": i in self.deaf, "exit_ip": "::" if kind == "rust" else "0.0.0.0",
                               "settings": {"max_joined_circuits": 1000, **self.relay_settings}}, self.prefix, name)

    async def another(self, settings=None, poll=False, name="originator", listen="127.0.0.1:0"):
        """One more originator."""
        node = originator(self.addresses, {**(settings or {}), "listen": listen}, poll, name, self.prefix)
        self.started.append(node)
        return await node.start()

    def kind_of(self, key):
        return self.nodes[self.keys.index(key)][0]

    def echo_hosts(self):
        """Ways to name the echo server that every exit understands."""
        peel_only = all(kind == "peel" for kind, _ in self.nodes)
        return [self.echo_ip, TEST_NAME if peel_only else "localhost"] + (["::1"] if have_ipv6() else [])

    async def settle(self, timeout=40.0, origin=None):
        """Until the originator knows every relay with its flags, and each relay the others."""
        origin = origin or self.origin
        exits = sum(EXIT_BT in flags for _, flags in self.nodes)

        async def known():
            if await origin.candidate_count("all") < len(self.nodes) or \
                    await origin.candidate_count("exit_bt") < exits:
                return False
            for relay in self.relays:
                if relay.kind == "peel":
                    if await relay.candidate_count() < len(self.nodes) - 1:
                        return False
                elif len(set(self.keys) & set(await relay.candidates())) < len(self.nodes) - 1:
                    return False
            return True

        await until(known, timeout, "not everybody knows everybody", 0.2)

    async def pool(self, hops, count=None, timeout=20.0, origin=None):
        """Build circuits of that many hops until there are `count` (else as many as max_circuits)."""
        origin = origin or self.origin
        count = count or {**QUICK, **(self.settings or {})}["max_circuits"]
        await origin.build_tunnels(hops)
        return await self.full(hops, count, timeout, origin)

    async def full(self, hops, count, timeout=20.0, origin=None):
        """Wait for that many circuits; their ids."""
        origin = origin or self.origin

        async def enough():
            active = await origin.active(hops)
            return active if len(active) >= count else None

        return await until(enough, timeout, f"no {count} circuits of {hops} hops", 0.1)

    async def close(self):
        """Stop everything. One that ends badly is an error, but the rest is stopped first."""
        started, self.started = self.started, []
        await stop_all(started, (self.echo, self.dns))


def pid_of(relay):
    return relay.process.pid


def send_signal(relay, number=signal.SIGKILL):
    """To the process of a relay: "kill -9" unless told otherwise."""
    relay.process.send_signal(number)


async def gone(relay):
    await asyncio.wait_for(relay.process.wait(), 10)
