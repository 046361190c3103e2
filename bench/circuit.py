# SPDX-License-Identifier: BSD-3-Clause
"""The suite `circuit`: payload through one circuit of three hops, and through twenty, client and relays and sink here.

libpeel beside a py-ipv8 node with the Rust endpoint (by its SOCKS5 server), each through relays of its own kind and
through the other's; the same py-ipv8 node with Peel in the place of the Rust endpoint; and `peel client`, by their SOCKS5
servers. The same load for all: datagrams of one size that a window
bounds, which is as large as suits the contender best. What cannot run here is left out, with a line that says why.
"""

import argparse
import asyncio
import dataclasses
import statistics

import peel_endpoint
from payload_rounds import Contender, Rounds, common_options, main, numbers, take_common
from circuit_nodes import HOPS, SETTINGS, Chain, Load, PeelClient
from interop.net import free_ports, until
from interop.peer import NATIVE
from interop.remote import Remote

# Key: name, client, relays. All are compared with the first two.
CONTENDERS = {
    "peel": ("Peel", "peel", "peel"),
    "rust": ("py-ipv8 + Rust", "rust", "rust"),
    "socks": ("Peel, SOCKS5", "client", "peel"),
    "peel-rust": ("libpeel to Rust", "peel", "rust"),
    "rust-peel": ("Rust to Peel", "rust", "peel"),
    "endpoint": (peel_endpoint.NAME, peel_endpoint.KIND, peel_endpoint.KIND),
    "endpoint-rust": (f"{peel_endpoint.NAME} to Rust", peel_endpoint.KIND, "rust"),
}
PUBLISHED = {1: 3.0, 20: 25.5}  # MB/s of py-ipv8 with the Rust endpoint, as its authors tell


@dataclasses.dataclass(frozen=True)
class Case:
    circuits: int
    payload: int
    echo: bool

    def text(self):
        return f"{self.circuits} circuits, {self.payload} bytes{', echo' if self.echo else ''}"

    def lanes(self):
        return self.circuits

    def order(self, window, ms):
        return self.circuits, self.payload, window, ms, int(self.echo)


class OnCircuits(Contender):
    def __init__(self, key, options):
        name, self.client_kind, relay_kind = CONTENDERS[key]
        super().__init__(key, name, relay_kind, options)
        self.client = None

    def clients(self):
        return [self.client] if self.client else []

    async def start(self, enter, chain):
        self.chain, most = chain, max(self.options.circuits)
        if self.client_kind == "peel":
            bootstrap = [f"{ip}:{port}" for ip, port in chain.addresses]
            self.load = await enter(Load(self.options.load, "peel", HOPS, most, *bootstrap, name=self.name))
        elif self.client_kind == "client":
            self.client = await enter(PeelClient(self.options.peel, chain.addresses, most))
            self.load = await enter(Load(self.options.load, "socks", self.client.port, name=self.name))
        else:
            self.client = await enter(Remote("circuit_nodes:NativeClient", {
                "ip": "127.0.0.1", "port": free_ports(1)[0], "flags": [], "endpoint": self.client_kind,
                "threads": self.options.rust_threads, "walk_to": chain.addresses,
                "settings": {**SETTINGS, "max_circuits": 0}}, name=self.name))
            await until(self._listed, 30, f"{self.name}: does not list all relays")
            await self.client.fill(chain.keys, most)
            self.load = await enter(Load(self.options.load, "socks", await self.client.serve(), name=self.name))
        await self.open(tries=5)

    async def _listed(self):
        return set(self.chain.keys) <= set(await self.client.candidates())

    async def open(self, tries=1):
        """As many lanes as circuits; again where they ended."""
        most = max(self.options.circuits)
        if self.client_kind in NATIVE:
            await self.client.fill(self.chain.keys, most)
        for left in reversed(range(tries)):
            try:
                await self.load.ask("open", most)
                return
            except RuntimeError:
                if not left:
                    raise
                await asyncio.sleep(2)


class Circuits(Rounds):
    def __init__(self, options):
        cases = [Case(circuits, payload, False) for payload in options.payloads for circuits in options.circuits]
        cases += [Case(circuits, options.payloads[0], True) for circuits in options.circuits if options.echo]
        super().__init__(options, cases)

    def contender(self, key):
        return OnCircuits(key, self.options)

    def chain(self, kind):
        return Chain(kind, self.options)

    def rows(self, contender, case):
        bases = [other for other in self.contenders if other.key in ("peel", "rust")]
        rows = list(contender.rows("circuit", "there and back" if case.echo else "there", case,
                                   {"circuits": case.circuits, "payload": case.payload}, bases))
        if not case.echo:
            median = statistics.median(contender.rates(case))
            rows[0]["vs"]["published"] = round(median / PUBLISHED.get(case.circuits, 3.0), 3)
        return rows


def parse():
    parser = argparse.ArgumentParser(prog="bench/circuit.py", description=__doc__)
    common_options(parser, CONTENDERS)
    parser.add_argument("--circuits", type=numbers, default=[1, 20], help="at a time, 1 to 64")
    peel_endpoint.option(parser)
    parser.add_argument("--no-echo", dest="echo", action="store_false", help="only there, not back")
    options = parser.parse_args()
    take_common(parser, options, CONTENDERS)
    options.contenders = peel_endpoint.usable(options.contenders, CONTENDERS.get, options.endpoint)
    return options


if __name__ == "__main__":
    OPTIONS = parse()
    main("circuit", OPTIONS, Circuits(OPTIONS))
