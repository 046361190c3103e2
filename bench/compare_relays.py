# SPDX-License-Identifier: BSD-3-Clause
"""CPU time per relayed cell: Peel, the Rust endpoint, py-ipv8, and py-ipv8 over Peel, under the same load, on loopback.

A circuit of two hops, the relay under test first. Sealed cells of one size are sent at the relay, each datagram
alone or coalesced by the kernel, always as many under way as the relay's socket holds without loss; the next hop only
counts. The result is cells that left the relay per second of the relay process's CPU time (user and system, all
threads), the median of several interleaved rounds. Then the same on a circuit of one hop: the relay under test
is the exit, and the next hop's port its destination.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys

import peel_endpoint
from interop.net import free_ports, until
from interop.peelproc import PeelNode
from interop.peer import EXIT_BT, RELAY, SPEED_TEST
from interop.remote import Remote
from results import ratio, result, write

NAMES = {"peel": "Peel", "rust": "Rust endpoint", "python": "py-ipv8", peel_endpoint.KIND: peel_endpoint.NAME}
SETTINGS = {"max_joined_circuits": 10000}
FLAGS = (RELAY, EXIT_BT, SPEED_TEST)  # of what is measured


def pinned(cpu):
    """Relays on one CPU, the load on the other, if there are two."""
    return ["taskset", "-c", str(cpu)] if os.cpu_count() > 1 else []


class Bench:
    def __init__(self, options, stack, peel=PeelNode):
        self.options, self.stack, self.peel = options, stack, peel
        self.relays, self.keys = {}, {}

    async def start(self):
        kinds = peel_endpoint.usable(self.options.relays.split(","), lambda kind: [kind], self.options.endpoint)
        *ports, sink_port, origin_port = free_ports(len(kinds) + 2)
        sink = ("127.0.0.1", sink_port)
        for kind, port in zip(kinds, ports):
            if kind == "peel":
                relay = self.peel("127.0.0.1", port, FLAGS, [sink], self.options.peel,
                                  pinned(1), overrides=self.overrides(), name="Peel")
            else:
                # A Rust exit sends to loopback only when it is bound to loopback itself, or to everything.
                relay = Remote("peer", {"ip": "127.0.0.1", "port": port, "endpoint": kind, "flags": FLAGS, "exit_ip": "::",
                                        "walk_to": [sink], "settings": SETTINGS}, pinned(1), NAMES[kind])
            self.relays[kind] = await self._enter(relay)
            self.keys[kind] = (await relay.info())["key"]
        self.ends = await self._enter(Remote("relay_load:Ends", {
            "blast": self.options.blast,
            "origin": {"ip": "127.0.0.1", "port": origin_port, "flags": [], "settings": {"max_circuits": 0},
                       "walk_to": [("127.0.0.1", port) for port in ports] + [sink]},
            "sink": {"ip": "127.0.0.1", "port": sink_port, "flags": [RELAY, EXIT_BT, SPEED_TEST],
                     "settings": SETTINGS}}, pinned(0), "the load"))
        self.sink_key = await self.ends.sink_key()
        wanted = {*self.keys.values(), self.sink_key}

        async def listed():
            return wanted <= set(await self.ends.candidates())

        await until(listed, 20, "the originator does not list all relays")

    def overrides(self):
        return {"aead": {"engine": self.options.engine}} if self.options.engine else None

    async def _enter(self, node):
        self.stack.push_async_callback(node.stop)
        return await node.start()

    async def measure(self, kind, coalesced, payload, exits=False):
        """One run on a circuit of its own; the counts of blast."""
        circuit = await self.ends.build([self.keys[kind]] if exits else [self.keys[kind], self.sink_key])
        run = await self.ends.blast(circuit, self.relays[kind].process.pid, payload, coalesced,
                                    self.options.cells if kind != "python" else self.options.cells // 4,
                                    self.options.window, self.options.cpu_ms, exits)
        await self.ends.destroy(circuit)
        if not run["relayed"] or run["relayed"] < run["sent"] // 50:
            raise RuntimeError(f"{NAMES[kind]} relayed {run['relayed']} of {run['sent']} cells")
        return run


class Runs:
    """Runs of one case: what is measured passes cells on, or is their exit."""

    def __init__(self, bench, case, payload_case, delivered_case, exits):
        self.bench, self.case, self.payload_case, self.delivered_case = bench, case, payload_case, delivered_case
        self.exits, self.runs = exits, {}
        self.loads = [(kind == "coalesced", int(payload))
                      for kind, _, payload in (load.partition(":") for load in bench.options.loads.split(","))]

    async def round(self):
        for load in self.loads:
            for kind in self.bench.relays:
                self.runs.setdefault((*load, kind), []).append(await self.bench.measure(kind, *load, self.exits))

    def cells(self, coalesced, payload, kind):
        """Cells per CPU second, round by round."""
        return [run["relayed"] * 1e9 / run["cpu_ns"] for run in self.runs[coalesced, payload, kind]]

    def share(self, load, kind, part, whole):
        return [run[part] / run[whole] for run in self.runs[(*load, kind)]]

    def results(self):
        """In the form that all suites share."""
        found = []
        for load in self.loads:
            for kind in self.bench.relays:
                params = {"relay": NAMES[kind], "payload": load[1], "datagrams": "coalesced" if load[0] else "alone"}
                cells = self.cells(*load, kind)
                vs = {NAMES[other]: ratio(cells, self.cells(*load, other))
                      for other in self.bench.relays if other != kind}
                found.append(result("peers", self.case, params, "cells/CPU-s", cells, dict(vs)))
                found.append(result("peers", self.payload_case, params, "MB/CPU-s", [c * load[1] / 1e6 for c in cells], vs))
                delivered = [100 * share for share in self.share(load, kind, "relayed", "sent")]
                found.append(result("peers", self.delivered_case, params, "%", delivered))
        return found


class Relays(Runs):
    """The comparison as a sequence of rounds."""

    def __init__(self, options, peel=PeelNode):
        self.options, self.stack = options, contextlib.AsyncExitStack()
        super().__init__(Bench(options, self.stack, peel), "relay", "payload relayed", "delivered", False)
        self.as_exits = Runs(self.bench, "exit", "payload let out", "let out", True)

    async def start(self):
        await self.bench.start()

    async def stop(self):
        await self.stack.aclose()

    async def round(self):
        await super().round()
        await self.as_exits.round()

    def results(self):
        return super().results() + self.as_exits.results()


def report(relays):
    for runs in (relays, relays.as_exits):
        report_runs(runs)


def report_runs(relays):
    print(f"{'datagrams':10} {'payload':>7}  {relays.case:17} {'cells/CPU-s':>11} {'lowest':>9} {'highest':>9} "
          f"{'MB/CPU-s':>8} {'relayed':>8} {'busy':>5}  times as many as")
    for load in relays.loads:
        for kind in relays.bench.relays:
            cells = relays.cells(*load, kind)
            ratios = ", ".join(f"{NAMES[other]} {ratio(cells, relays.cells(*load, other)):.2f}"
                               for other in relays.bench.relays if other != kind)
            relayed, busy = (statistics.median(relays.share(load, kind, *of))
                             for of in (("relayed", "sent"), ("cpu_ns", "wall_ns")))
            median = statistics.median(cells)
            print(f"{'coalesced' if load[0] else 'alone':10} {load[1]:7}  {NAMES[kind]:17} {median:11.0f} "
                  f"{min(cells):9.0f} {max(cells):9.0f} {median * load[1] / 1e6:8.0f} {relayed:8.1%} {busy:5.0%}  "
                  f"{ratios}")


async def rounds(measured, number, name="relays"):
    try:
        await measured.start()
        for i in range(number):
            print(f"{name}: round {i + 1} of {number}", file=sys.stderr, flush=True)
            await measured.round()
    finally:
        await measured.stop()


async def suite(measured, options, name):
    """A suite of `bench/run` that this comparison is a part of."""
    await rounds(measured, options.rounds, name)
    if options.json != "-":
        measured.report()
    if options.json:
        write(options.json, list(measured.results()))


async def run(options):
    relays = Relays(options)
    await rounds(relays, options.rounds)
    report(relays)


def arguments(parser):
    parser.add_argument("--relays", default=",".join(NAMES), help="kinds to compare, in order")
    parser.add_argument("--loads", default="alone:1400,alone:64,coalesced:1400,coalesced:64",
                        help="how datagrams arrive, and bytes of payload")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=32768, help="cells sent without a pause")
    parser.add_argument("--window", type=int, default=1024, help="cells under way at once, at most")
    parser.add_argument("--cpu-ms", type=int, default=400, help="CPU time of the relay per run")
    peel_endpoint.option(parser)
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    parser.add_argument("--peel", default=os.environ.get("PEEL", "build/app/peel/peel"), help="the peel binary")
    parser.add_argument("--blast", default=os.environ.get("PEEL_BLAST", "build/bench/blast"),
                        help="the load generator's binary")


def parse(parser):
    arguments(parser)
    parser.add_argument("--engine", help="Peel's AEAD engine; the fastest here, if not named")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.cells, options.cpu_ms = 1, 2048, 20
    return options


if __name__ == "__main__":
    asyncio.run(run(parse(argparse.ArgumentParser(prog="bench/compare_relays", description=__doc__))))
