# SPDX-License-Identifier: BSD-3-Clause
"""The suite `hidden`: payload between the two ends of a hidden service, and the time until the first byte.

Two nodes of libpeel among Peel relays, beside two py-ipv8 nodes with the Rust endpoint (by their SOCKS5 servers) among
relays of that kind. Who looks for the service sends. Measured as in the suite `circuit`.
"""

import argparse
import asyncio
import dataclasses
import os
import time

from payload_rounds import Contender, Rounds, common_options, main, numbers, report, say, take_common
from circuit_nodes import SETTINGS, Chain, Load
from interop.net import free_ports, until
from interop.peer import EXIT_BT, EXIT_IPV8
from interop.remote import Remote
from results import ratio, result

CONTENDERS = {"peel": "Peel", "rust": "py-ipv8 + Rust"}
RELAYS = 6  # four hops of the seeder's or of the other one's circuits, and a choice
MEETINGS = {"both join": 0, "service is there": 10}  # seconds between the seeder and the other one


@dataclasses.dataclass(frozen=True)
class Case:
    hops: int  # of each side
    payload: int

    def text(self):
        return f"{self.hops}+{self.hops} hops, {self.payload} bytes"

    def lanes(self):
        return 1

    def order(self, window, ms):
        return 1, self.payload, window, ms, 0


class Pair(Contender):
    """A seeder and somebody who looks for it, for each number of hops."""

    def __init__(self, key, options):
        super().__init__(key, CONTENDERS[key], key, options)
        self.loads, self.firsts = {}, {}  # firsts: (how they meet, hops): seconds

    def load_of(self, case):
        return self.loads[case.hops]

    async def open(self):
        for load in self.loads.values():
            await load.ask("open", 1, timeout=240)

    async def first(self, hops, later):
        """Seconds to the first byte from the moment when the second one joins."""
        raise NotImplementedError


class PeelPair(Pair):
    async def start(self, enter, chain):
        self.chain = chain
        bootstrap = [f"{ip}:{port}" for ip, port in chain.addresses]
        for hops in self.options.hops:
            self.loads[hops] = await enter(Load(self.options.load, "service", hops, *bootstrap, name=self.name))
        await self.open()

    async def first(self, hops, later):
        answer = await self.loads[hops].ask("first", 1000 * later, timeout=240)
        return answer["ns"] / 1e9


class RustPair(Pair):
    async def start(self, enter, chain):
        self.chain, self.ends = chain, []
        for name in ("seeder", "finder"):
            self.ends.append(await enter(Remote("circuit_nodes:RustEnd", {
                "ip": "127.0.0.1", "port": free_ports(1)[0], "flags": [], "endpoint": "rust",
                "threads": self.options.rust_threads, "walk_to": chain.addresses, "settings": SETTINGS},
                name=f"{self.name}, {name}")))
        self.seeder, self.finder = self.ends
        for end in self.ends:
            await until(lambda end=end: self._listed(end), 30, f"{self.name}: does not list all relays")
        for hops in self.options.hops:
            address = await self.meet_at_last(hops)
            load = Load(self.options.load, "socks-peer", await self.seeder.server(hops), await self.finder.server(hops),
                        *address, name=self.name)
            self.loads[hops] = await enter(load)
        await self.open()

    async def _listed(self, end):
        return set(self.chain.keys) <= set(await end.candidates())

    def clients(self):
        return self.ends

    async def meet(self, info_hash, hops, later=0):
        """The seeder's address as the finder sees it, and when that one joined."""
        await self.seeder.seed(info_hash, hops)
        joined = time.monotonic()
        await asyncio.sleep(later)
        if later:
            joined = time.monotonic()
        await self.finder.find(info_hash, hops)
        what = f"{self.name}: no connection"
        return await until(lambda: self.finder.connected(info_hash), self.options.patience, what, 0.02), joined

    async def meet_at_last(self, hops):
        """It may fail: nobody replaces an introduction point that could not be reached."""
        tries = 1 if self.options.quick else 3
        while True:
            info_hash, tries = os.urandom(20).hex(), tries - 1
            try:
                return (await self.meet(info_hash, hops))[0]
            except (RuntimeError, TimeoutError):
                if not tries:
                    raise
            for end in self.ends:
                await end.leave(info_hash)

    async def first(self, hops, later):
        await self.seeder.listen(hops)
        info_hash = os.urandom(20).hex()
        try:
            address, joined = await self.meet(info_hash, hops, later)
            await self.finder.greet(hops, *address)
            await until(lambda: self.seeder.greeted(hops), 20, f"{self.name}: nothing arrived", 0.002)
            return time.monotonic() - joined
        finally:
            for end in self.ends:
                await end.leave(info_hash)


class Services(Rounds):
    def __init__(self, options):
        super().__init__(options, [Case(hops, payload) for payload in options.payloads for hops in options.hops])

    def contender(self, key):
        return (PeelPair if key == "peel" else RustPair)(key, self.options)

    def chain(self, kind):
        return Chain(kind, self.options, RELAYS, RELAYS, (EXIT_BT, EXIT_IPV8))

    async def first(self, contender, how, hops):
        try:
            took = await asyncio.wait_for(contender.first(hops, MEETINGS[how]), self.options.patience + MEETINGS[how] + 10)
        except (RuntimeError, TimeoutError) as error:
            say(f"{contender.name}: {error}")
            took = self.options.patience  # at least
        contender.firsts.setdefault((how, hops), []).append(took)
        say(f"{contender.name}, {hops}+{hops} hops, {how}: first byte after {took:.2f} s")

    async def run(self):
        await super().run()
        # They mostly wait, and use no nodes in common; one of a kind at a time.
        for _ in range(self.options.firsts):
            for how in MEETINGS:
                await asyncio.gather(*[self.first(contender, how, hops) for contender in self.contenders
                                       for hops in self.options.hops])

    def rows(self, contender, case):
        return list(contender.rows("hidden", "end to end", case, {"hops": case.hops, "payload": case.payload},
                                   self.contenders))

    def first_rows(self):
        for how in MEETINGS:
            for hops in self.options.hops:
                for contender in self.contenders:
                    times = contender.firsts[how, hops]
                    vs = {other.name: ratio(times, other.firsts[how, hops])
                          for other in self.contenders if other is not contender}
                    yield result("hidden", f"first byte, {how}", {"path": contender.name, "hops": hops}, "s", times, vs)

    def results(self):
        return super().results() + (list(self.first_rows()) if self.options.firsts else [])


def show(services):
    report(services)
    for row in services.results():
        if row["case"].startswith("first byte"):
            print(f"{row['case']:28} {row['params']['hops']} hops of each side  {row['params']['path']:24} "
                  f"{row['median']:6.2f} s ({row['min']:.2f} .. {row['max']:.2f})")


def parse():
    parser = argparse.ArgumentParser(prog="bench/hidden.py", description=__doc__)
    common_options(parser, CONTENDERS)
    parser.add_argument("--hops", type=numbers, help="of each side (1,3)")
    parser.add_argument("--firsts", type=int, help="times that a first byte is waited for (20)")
    options = parser.parse_args()
    take_common(parser, options, CONTENDERS)
    options.hops = options.hops or ([1] if options.quick else [1, 3])
    if options.firsts is None:
        options.firsts = 1 if options.quick else 20
    options.patience = 60 if options.quick else 120  # seconds for a meeting, and what counts if nothing came of it
    return options


if __name__ == "__main__":
    OPTIONS = parse()
    main("hidden", OPTIONS, Services(OPTIONS), show)
