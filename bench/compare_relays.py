# SPDX-License-Identifier: BSD-3-Clause
"""CPU time per relayed cell: Peel, the Rust endpoint and py-ipv8 under the same load, on loopback.

A circuit of two hops, the relay under test first. Sealed cells of one size are sent at the relay, each datagram
alone or coalesced by the kernel, always as many under way as its socket holds without loss; the next hop only
counts. The result is cells that left the relay per second of the relay process's CPU time (user and system, all
threads), the median of several interleaved rounds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys

from interop.net import free_ports, until
from interop.peelproc import PeelNode
from interop.peer import EXIT_BT, RELAY, SPEED_TEST
from interop.remote import Remote

NAMES = {"peel": "Peel", "rust": "Rust endpoint", "python": "py-ipv8"}
SETTINGS = {"max_joined_circuits": 10000}


def pinned(cpu):
    """Relays on one CPU, the load on the other, if there are two."""
    return ["taskset", "-c", str(cpu)] if os.cpu_count() > 1 else []


class Bench:
    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        self.relays, self.keys = {}, {}

    async def start(self):
        kinds = self.options.relays.split(",")
        *ports, sink_port, origin_port = free_ports(len(kinds) + 2)
        sink = ("127.0.0.1", sink_port)
        for kind, port in zip(kinds, ports):
            if kind == "peel":
                relay = PeelNode("127.0.0.1", port, (RELAY, SPEED_TEST), [sink], self.options.peel,
                                 pinned(1), name="Peel")
            else:
                relay = Remote("peer", {"ip": "127.0.0.1", "port": port, "endpoint": kind,
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

    async def _enter(self, node):
        self.stack.push_async_callback(node.stop)
        return await node.start()

    async def measure(self, kind, coalesced, payload):
        """One run on a circuit of its own; the counts of blast."""
        circuit = await self.ends.build([self.keys[kind], self.sink_key])
        run = await self.ends.blast(circuit, self.relays[kind].process.pid, payload, coalesced,
                                    self.options.cells if kind != "python" else self.options.cells // 4,
                                    self.options.window, self.options.cpu_ms)
        await self.ends.destroy(circuit)
        if not run["relayed"] or run["relayed"] < run["sent"] // 50:
            raise RuntimeError(f"{NAMES[kind]} relayed {run['relayed']} of {run['sent']} cells")
        return run


async def run(options):
    loads = [(coalesced, payload) for coalesced in (False, True) for payload in (1400, 64)]
    runs = {}
    async with contextlib.AsyncExitStack() as stack:
        bench = Bench(options, stack)
        await bench.start()
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for load in loads:
                for kind in bench.relays:
                    runs.setdefault((*load, kind), []).append(await bench.measure(kind, *load))
        results = summarise(runs, loads, list(bench.relays))
    if options.json != "-":
        report(results, options)
    if options.json:
        with contextlib.ExitStack() as files:
            file = sys.stdout if options.json == "-" else files.enter_context(
                open(options.json, "w", encoding="utf-8"))
            json.dump({"results": results}, file, indent=1)
            print(file=file)


def share(runs, part, whole):
    return round(statistics.median(r[part] / r[whole] for r in runs), 3)


def summarise(runs, loads, kinds):
    """Results in the form that all suites share; ratios of a kind's median to the other kinds'."""
    results = []
    for coalesced, payload in loads:
        rates = {k: [r["relayed"] * 1e9 / r["cpu_ns"] for r in runs[coalesced, payload, k]] for k in kinds}
        medians = {k: statistics.median(rates[k]) for k in kinds}
        for kind in kinds:
            own = runs[coalesced, payload, kind]
            results.append({
                "suite": "peers", "case": f"relay {NAMES[kind]}",
                "params": {"payload": payload, "datagrams": "coalesced" if coalesced else "alone",
                           "bytes_per_cpu_second": round(medians[kind] * own[0]["bytes"]),
                           "delivered": share(own, "relayed", "sent"), "busy": share(own, "cpu_ns", "wall_ns"),
                           "window": min(r["window"] for r in own)},
                "unit": "cells/CPU-s", "median": round(medians[kind]), "min": round(min(rates[kind])),
                "max": round(max(rates[kind])),
                "vs": {NAMES[k]: round(medians[kind] / medians[k], 2) for k in kinds if k != kind}})
    return results


def report(results, options):
    print(f"{options.rounds} rounds of {options.cpu_ms} ms CPU time of the relay; cells per CPU second\n")
    print(f"{'datagrams':10} {'payload':>7}  {'relay':19} {'median':>9} {'lowest':>9} {'highest':>9} "
          f"{'MB/CPU-s':>8} {'relayed':>8} {'busy':>5} {'window':>6}  ratio to the others")
    for r in results:
        p = r["params"]
        ratios = ", ".join(f"{name} {ratio:.1f}" for name, ratio in r["vs"].items())
        print(f"{p['datagrams']:10} {p['payload']:7}  {r['case']:19} {r['median']:9} {r['min']:9} {r['max']:9} "
              f"{p['bytes_per_cpu_second'] / 1e6:8.0f} {p['delivered']:8.1%} {p['busy']:5.0%} {p['window']:6}  "
              f"{ratios}")


def main():
    parser = argparse.ArgumentParser(prog="bench/compare_relays", description=__doc__)
    parser.add_argument("--relays", default="peel,rust,python", help="kinds to compare, in order")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=32768, help="cells sent without a pause")
    parser.add_argument("--window", type=int, default=1024, help="cells under way at once, at most")
    parser.add_argument("--cpu-ms", type=int, default=400, help="CPU time of the relay per run")
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    parser.add_argument("--json", metavar="FILE", help="results as JSON, - for standard output")
    parser.add_argument("--peel", default=None, help="the peel binary")
    parser.add_argument("--blast", default=os.environ.get("PEEL_BLAST", "build/bench/blast"),
                        help="the load generator's binary")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.cells, options.cpu_ms = 1, 2048, 20
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
