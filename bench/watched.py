# SPDX-License-Identifier: BSD-3-Clause
"""The suite `watched`: what it costs a relay under load to be looked at, and to be told other settings.

The load is that of the suite `peers`. Watched, somebody takes the metrics once a second, as Prometheus does, and somebody
else asks for the status, as `peel status --watch` does. Reloaded, the relay gets a SIGHUP ten times a second, each with
another configuration; then the relay may drop no cell, and hardly any may be lost in the kernel.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PATHS = [HERE, os.path.join(os.path.dirname(HERE), "app", "test")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for nodes in processes of their own

import compare_relays  # noqa: E402
from interop.net import free_ports  # noqa: E402
from interop.peelproc import PeelNode  # noqa: E402
from results import ratio, result  # noqa: E402

CASES = {"alone": 0, "watched": 1, "reloaded": 0.1}  # and seconds between two looks
DENY = ("192.0.2.0/24", "198.51.100.0/24, 203.0.113.0/24")


class WatchedNode(PeelNode):
    """A relay with metrics."""

    def __init__(self, *args, **kwargs):
        self.metrics = free_ports(1)[0]
        super().__init__(*args, **kwargs)
        self.with_policy(0)

    def with_policy(self, number):
        self.configure({"metrics": {"listen": f"127.0.0.1:{self.metrics}"}, "exit": {"deny": DENY[number]},
                        "tunnel": {"test_rate": 1000 + number},
                        # who must be able to read its configuration again
                        "node": {"user": "root"} if os.geteuid() == 0 else {}})

    async def ask(self, question):
        reader, writer = await asyncio.open_unix_connection(os.path.join(self.directory.name, "peel.sock"))
        writer.write(question + b"\n")
        answer = await reader.read()
        writer.close()
        return answer

    def scrape(self):
        request = urllib.request.Request(f"http://127.0.0.1:{self.metrics}/metrics",
                                         headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def drops(self):
        lines = self.scrape().decode().splitlines()
        return {line for line in lines if line.startswith("peel_drops_total{") and not line.endswith(" 0")}

    async def watched(self):
        metrics, status = await asyncio.gather(asyncio.to_thread(self.scrape), self.ask(b"status"))
        if not metrics.endswith(b"# EOF\n") or not status.startswith(b"{"):
            raise RuntimeError("metrics or status are not complete")

    async def reloaded(self, number):
        self.with_policy(number % 2)
        self.process.send_signal(signal.SIGHUP)

    def reloads(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return sum("changed: [tunnel] test_rate" in line for line in log)


class Watched:
    def __init__(self, options):
        self.options, self.stack, self.runs, self.looks = options, contextlib.AsyncExitStack(), {}, dict.fromkeys(CASES, 0)
        options.relays, options.engine = "peel", None
        self.relays = compare_relays.Relays(options, WatchedNode)

    async def start(self):
        self.stack.push_async_callback(self.relays.stop)
        await self.relays.start()
        self.node = self.relays.bench.relays["peel"]

    async def stop(self):
        await self.stack.aclose()

    async def look(self, case):
        """Until it is cancelled."""
        while CASES[case]:
            await asyncio.sleep(CASES[case])
            self.looks[case] += 1
            if case == "watched":
                await self.node.watched()
            else:
                await self.node.reloaded(self.looks[case])

    async def round(self):
        for load in self.relays.loads:
            for case in CASES:
                looking = asyncio.create_task(self.look(case))
                before = self.node.reloads(), await asyncio.to_thread(self.node.drops)
                run = await self.relays.bench.measure("peel", *load)
                looking.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await looking
                self.runs.setdefault((*load, case), []).append(run)
                if case == "reloaded":
                    await self.check(run, before)

    async def check(self, run, before):
        reloads, drops = before
        if self.node.reloads() == reloads:
            raise RuntimeError("no SIGHUP changed anything")
        lost = run["sent"] - run["relayed"]
        if lost > 0:
            dropped = await asyncio.to_thread(self.node.drops) - drops
            if dropped or lost * 10000 > run["sent"]:
                raise RuntimeError(f"{lost} of {run['sent']} cells were lost while the relay was reloaded; dropped: {dropped}")

    def results(self):
        for load in self.relays.loads:
            def cells(case, load=load):
                return [run["relayed"] * 1e9 / run["cpu_ns"] for run in self.runs[*load, case]]

            for case in CASES:
                params = {"relay": case, "payload": load[1], "datagrams": "coalesced" if load[0] else "alone"}
                vs = {"alone": ratio(cells(case), cells("alone"))} if case != "alone" else {}
                yield result("watched", "relay", params, "cells/CPU-s", cells(case), vs)
                lost = [100 * (1 - run["relayed"] / run["sent"]) for run in self.runs[*load, case]]
                yield result("watched", "lost", params, "% lost", lost)

    def report(self):
        for one in self.results():
            print(f"{one['case']}: {' '.join(map(str, one['params'].values()))}: {one['median']:.0f} "
                  f"({one['min']:.0f} .. {one['max']:.0f}) {one['unit']} "
                  + ", ".join(f"{value:.3f} x {name}" for name, value in one["vs"].items()))
        print(f"looked {self.looks['watched']} times, reloaded {self.node.reloads()} times")


async def run(options):
    # Whoever looks is not on the relay's CPU.
    if os.cpu_count() > 1:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - {1})
    await compare_relays.suite(Watched(options), options, "watched")


def main():
    parser = argparse.ArgumentParser(prog="bench/watched.py", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="results as JSON, - for standard output")
    compare_relays.arguments(parser)
    parser.set_defaults(cpu_ms=3000, loads="coalesced:1400,alone:64")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.cells, options.cpu_ms = 1, 2048, 400
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
