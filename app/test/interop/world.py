# SPDX-License-Identifier: BSD-3-Clause
"""A small overlay: three relays in a row, an originator, and the outside world they exit to."""

from .echo import DnsServer, EchoServer
from .net import free_ports, have_ipv6, stop_all, until
from .peelproc import PeelNode
from .peer import EXIT_BT, EXIT_IPV8, RELAY, SPEED_TEST, Peer

TEST_NAME = "echo.peel.test"
RELAY_FLAGS = (RELAY, SPEED_TEST)
EXIT_FLAGS = (RELAY, EXIT_BT, EXIT_IPV8, SPEED_TEST)


def make_relay(kind, port, flags, walk_to, binary=None, settings=None, overrides=None, deaf=False,
               name="", ip="127.0.0.1"):
    """A relay of the given kind on this machine: "peel", or an endpoint of py-ipv8 as in Peer."""
    if kind == "peel":
        return PeelNode(ip, port, flags, walk_to, binary, overrides=overrides, name=name)
    # A Rust exit sends to loopback only when it is bound to loopback itself.
    exit_ip = "::" if kind == "rust" else "0.0.0.0"
    return Peer(ip, port, flags=flags, walk_to=walk_to, endpoint=kind, deaf=deaf,
                settings={"max_joined_circuits": 1000, **(settings or {})}, exit_ip=exit_ip, name=name)


class World:
    """Use as: async with World(["peel", "python", "rust"], "python") as world."""

    def __init__(self, kinds, origin, binary=None, relay_settings=None, origin_settings=None,
                 peel_overrides=None, extra=(), exit_flags=EXIT_FLAGS, ip="127.0.0.1"):
        """`extra`: more relays, as (kind, flags, deaf)."""
        self.kinds, self.origin_kind, self.ip = list(kinds), origin, ip
        self.binary = binary
        self.relay_settings, self.origin_settings = relay_settings, origin_settings or {}
        self.peel_overrides = peel_overrides or {}
        self.extra = list(extra)
        self.exit_flags = exit_flags
        self.relays, self.started = [], []
        self.origin = self.echo = self.dns = None
        self.keys = []

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
        self.echo = await EchoServer().start("127.0.0.1", "::1" if have_ipv6() else None)
        self.dns = await DnsServer({TEST_NAME: "127.0.0.1"}).start()
        last = len(self.kinds) - 1
        plan = [(kind, self.exit_flags if i == last else RELAY_FLAGS, False)
                for i, kind in enumerate(self.kinds)] + self.extra
        ports = free_ports(len(plan) + 1, self.ip)
        addresses = [(self.ip, port) for port in ports[:-1]]
        for i, (kind, flags, deaf) in enumerate(plan):
            overrides = {"exit": {"dns_servers": "%s:%d" % self.dns.address}}
            for section, values in (*self.peel_overrides.items(), *self.overrides_of(i).items()):
                overrides.setdefault(section, {}).update(values)
            others = addresses[:i] + addresses[i + 1:]
            relay = make_relay(kind, ports[i], flags, others, self.binary, self.relay_settings,
                               overrides, deaf, f"{kind} {i + 1}", self.ip)
            self.started.append(relay)
            self.relays.append(await relay.start())
        self.keys = [(await relay.info())["key"] for relay in self.relays]
        self.origin = Peer(self.ip, ports[-1], flags=(), walk_to=addresses,
                           endpoint=self.origin_kind, name="originator",
                           settings={"max_circuits": 0, **self.origin_settings})
        self.started.append(self.origin)
        await self.origin.start()

    def overrides_of(self, _):
        """Settings of one Peel relay alone."""
        return {}

    async def settle(self, timeout=40.0):
        """Wait until the originator sees every relay with its flags, and the relays see each other."""
        wanted = {key: sum(relay.flags) for key, relay in zip(self.keys, self.relays)}

        async def known():
            candidates = await self.origin.candidates()
            if any(candidates.get(key) != flags for key, flags in wanted.items()):
                return False
            for key, relay in zip(self.keys, self.relays):
                if relay.kind == "peel":
                    if await relay.candidate_count() < len(wanted) - 1:
                        return False
                elif not set(wanted) - {key} <= set(await relay.candidates()):
                    return False
            return True

        try:
            await until(known, timeout, "not every relay became a candidate")
        except TimeoutError:
            candidates = await self.origin.candidates()
            missing = [relay.name for key, relay in zip(self.keys, self.relays)
                       if candidates.get(key) != wanted[key]]
            raise TimeoutError(f"no candidates, or with wrong flags: {missing or 'at the relays'}") from None

    echo_ip = "127.0.0.1"

    @property
    def echo_port(self):
        return self.echo.port

    async def echo_received(self):
        """Datagrams that reached the echo server so far."""
        return self.echo.received

    def echo_hosts(self):
        """Ways to name the echo server: IPv4, a domain name the last relay can resolve, IPv6."""
        name = TEST_NAME if self.relays[len(self.kinds) - 1].kind == "peel" else "localhost"
        return [self.echo_ip, name] + (["::1"] if have_ipv6() else [])

    async def empty(self, timeout=12.0, among=None):
        """Wait until no relay (of these) holds a circuit any more."""
        relays = self.relays if among is None else among

        async def check():
            for relay in relays:
                tables = await relay.tables()
                if tables["relays"] or tables["exits"]:
                    return False
            return True

        await until(check, timeout, "circuits stayed in the relays' tables", 0.25)

    async def close(self):
        """Stop everything; a Peel that ends badly is an error of the test, but the rest is stopped first."""
        started, self.started = self.started, []
        await stop_all(started, (self.echo, self.dns))
