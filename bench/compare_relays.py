# SPDX-License-Identifier: BSD-3-Clause
"""CPU time per relayed cell: Peel, the Rust endpoint and py-ipv8 under the same load, on loopback.

A circuit of two hops, the relay under test first. Prepared cells of one size are sent at the relay in
bursts, each datagram alone or coalesced by the kernel; the next hop only counts. The result is cells that
left the relay per second of the relay process's CPU time (user and system, all threads), the median of
several interleaved rounds. Cells the relay's socket had no room for cost it nothing and count for nothing.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile

from interop.net import free_ports, until
from interop.peelproc import PeelNode
from interop.peer import EXIT_BT, RELAY, SPEED_TEST
from interop.proc import cpu_nanoseconds
from interop.remote import Remote

NAMES = {"peel": "Peel", "rust": "Rust endpoint", "python": "py-ipv8"}


def pinned(cpu):
    """Relays on one CPU, the load on the other, if there are two."""
    return ["taskset", "-c", str(cpu)] if os.cpu_count() > 1 else []


class Bench:
    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        self.relays, self.keys = {}, {}

    async def start(self):
        kinds = self.options.relays.split(",")
        ports = free_ports(len(kinds) + 2)
        count_file = self.stack.enter_context(tempfile.NamedTemporaryFile())
        count_file.write(bytes(8))
        count_file.flush()
        sink = {"ip": "127.0.0.1", "port": ports[-2], "flags": [RELAY, EXIT_BT, SPEED_TEST],
                "settings": {"max_joined_circuits": 10000}, "count_file": count_file.name}
        addresses = [("127.0.0.1", port) for port in ports[:-1]]
        self.sink = await self._enter(Remote("relay_load:Sink", sink, pinned(0), "sink"))
        for kind, port in zip(kinds, ports):
            if kind == "peel":
                relay = PeelNode("127.0.0.1", port, (RELAY, SPEED_TEST), addresses[-1:], self.options.peel,
                                 pinned(1), name="Peel")
            else:
                relay = Remote("peer", {"ip": "127.0.0.1", "port": port, "endpoint": kind,
                                        "walk_to": addresses[-1:], "settings": {"max_joined_circuits": 10000}},
                               pinned(1), NAMES[kind])
            self.relays[kind] = await self._enter(relay)
            self.keys[kind] = (await relay.info())["key"]
        origin = {"ip": "127.0.0.1", "port": ports[-1], "flags": [], "walk_to": addresses,
                  "settings": {"max_circuits": 0}, "count_file": count_file.name}
        self.origin = await self._enter(Remote("relay_load:Blaster", origin, pinned(0), "originator"))
        self.sink_key = (await self.sink.info())["key"]
        wanted = {*self.keys.values(), self.sink_key}

        async def listed():
            return wanted <= set(await self.origin.candidates())

        await until(listed, 20, "the originator does not list all relays")

    async def _enter(self, node):
        self.stack.push_async_callback(node.stop)
        return await node.start()

    async def measure(self, kind, coalesced, payload):
        """One run on a circuit of its own: (cells per CPU second, share of the cells that came out)."""
        circuit = await self.origin.build([self.keys[kind], self.sink_key])
        await self.origin.prepare(circuit, payload, self.options.cells)
        await self.sink.drain(True)
        pid = self.relays[kind].process.pid
        before = cpu_nanoseconds(pid)
        sent, out, _ = await self.origin.blast(coalesced, self.options.burst)
        spent = cpu_nanoseconds(pid) - before
        await self.sink.drain(False)
        await self.origin.destroy(circuit)
        if out < sent // 50:
            raise RuntimeError(f"{NAMES[kind]} relayed {out} of {sent} cells")
        return out / (spent / 1e9), out / sent


async def run(options):
    loads = [(coalesced, payload) for coalesced in (False, True) for payload in (1400, 64)]
    results = {}
    async with contextlib.AsyncExitStack() as stack:
        bench = Bench(options, stack)
        await bench.start()
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            for load in loads:
                for kind in bench.relays:
                    results.setdefault((*load, kind), []).append(await bench.measure(kind, *load))
        report(results, loads, list(bench.relays), options)


def report(results, loads, kinds, options):
    print(f"{options.rounds} rounds of {options.cells} cells in bursts of {options.burst}; "
          "cells per CPU second of the relay process\n")
    print(f"{'datagrams':10} {'payload':>7}  {'relay':14} {'median':>9} {'lowest':>9} {'highest':>9} "
          f"{'relayed':>8}  ratio to " + ", ".join(NAMES[k] for k in kinds[1:]))
    for coalesced, payload in loads:
        medians = {k: statistics.median(r for r, _ in results[coalesced, payload, k]) for k in kinds}
        for kind in kinds:
            rates = [rate for rate, _ in results[coalesced, payload, kind]]
            share = statistics.median(share for _, share in results[coalesced, payload, kind])
            ratios = ", ".join(f"{medians[kind] / medians[k]:.1f}" for k in kinds[1:])
            print(f"{'coalesced' if coalesced else 'alone':10} {payload:7}  {NAMES[kind]:14} "
                  f"{medians[kind]:9.0f} {min(rates):9.0f} {max(rates):9.0f} {share:8.0%}  {ratios}")


def main():
    parser = argparse.ArgumentParser(prog="bench/compare_relays", description=__doc__)
    parser.add_argument("--relays", default="peel,rust,python", help="kinds to compare, in order")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cells", type=int, default=16384)
    parser.add_argument("--burst", type=int, default=64, help="cells sent without a pause")
    parser.add_argument("--peel", default=None, help="the peel binary")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
