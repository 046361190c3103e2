# SPDX-License-Identifier: BSD-3-Clause
"""The suite `peers`: what a CPU second is worth in Peel and in others that pass on sealed packets, in the same run.

Relays of this protocol get the same cells (compare_relays); Tor's middle relay and wireguard-go do the same kind of
work in networks of their own. All are measured in every round. Peers that this machine cannot run are left out, with
a line that says why.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PATHS = [HERE, os.path.join(ROOT, "app", "test")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for nodes in processes of their own

import compare_relays  # noqa: E402
import peers_tor  # noqa: E402
import peers_wireguard  # noqa: E402
from results import ratio, result  # noqa: E402

OTHERS = {"tor": (peers_tor, peers_tor.Tor), "wireguard-go": (peers_wireguard, peers_wireguard.Wireguard)}
CPUS = (1, 0) if (os.cpu_count() or 1) > 1 else (0, 0)  # of what is measured, of the load


class LoadPort:
    """Peel's worker between load ports (suite `relay`), in the same rounds: forward, the port's own cost included.

    There is no kernel and no copy, so this is the relay alone; beside it the AEAD alone.
    """

    NAMES = {"total": "Peel", "aead": "Peel's AEAD alone"}

    def __init__(self, program, engine):
        self.program, self.engine, self.samples = program, engine, {}

    def unavailable(self):
        return None if os.access(self.program, os.X_OK) else f"no {self.program}"

    async def round(self, tsc_hz):
        process = await asyncio.create_subprocess_exec(
            "taskset", "-c", str(CPUS[0]), self.program, "--quick", "--case", "forward", "--json", "-",
            *(["--engine", self.engine] if self.engine else []),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode:
            raise RuntimeError(f"{self.program} ended with {process.returncode}")
        cycles = {}
        for row in json.loads(output)["results"]:
            p = row["params"]
            # The engine that Peel takes comes first.
            if row["case"] == "forward" and p.get("filter") == "yes" and p.get("workers") == 1:
                cycles.setdefault((p["what"], int(p["bytes"]) if str(p["bytes"]).isdigit() else 0), row["median"])
        for payload in (1400, 64):
            port = cycles["load port, taken off", payload]
            for what in self.NAMES:
                cost = cycles[what, payload] + (port if what == "total" else 0)
                self.samples.setdefault((what, payload), []).append(tsc_hz / cost)

    def results(self, relays):
        for (what, payload), cells in self.samples.items():
            vs = {compare_relays.NAMES[kind]: ratio(cells, relays.cells(True, payload, kind))
                  for kind in relays.bench.relays if kind != "peel" and (True, payload) in relays.loads}
            yield result("peers", "relay", {"relay": self.NAMES[what], "payload": payload, "datagrams": "load port"},
                         "cells/CPU-s", cells, vs)
            if what == "total":
                yield result("peers", "payload relayed", {"relay": "Peel", "payload": payload, "datagrams": "load port"},
                             "MB/CPU-s", [c * payload / 1e6 for c in cells], dict(vs))


class Peers:
    def __init__(self, options):
        self.options, self.relays, self.others, self.samples = options, compare_relays.Relays(options), {}, {}
        self.load_port = LoadPort(options.bench_relay, options.engine)
        self.stack = contextlib.AsyncExitStack()

    async def start(self):
        for name in filter(None, self.options.others.split(",")):
            module, kind = OTHERS[name]
            why = module.unavailable()
            if why:
                print(f"skipped: {name}: {why}", file=sys.stderr, flush=True)
                continue
            other = kind(CPUS)
            self.stack.push_async_callback(other.stop)
            try:
                await other.start()
            except (OSError, RuntimeError, ValueError) as error:
                print(f"skipped: {name}: {error}", file=sys.stderr, flush=True)
                continue
            self.others[name] = other
        if self.load_port.unavailable():
            print(f"skipped: load port: {self.load_port.unavailable()}", file=sys.stderr, flush=True)
            self.load_port = None
        self.stack.push_async_callback(self.relays.stop)
        await self.relays.start()

    async def stop(self):
        await self.stack.aclose()

    async def round(self):
        await self.relays.round()
        if self.load_port:
            await self.load_port.round(next(iter(self.relays.runs.values()))[-1]["tsc_hz"])
        for name, other in self.others.items():
            try:
                bytes_per_second, busy = await other.measure(self.options.seconds)
            except RuntimeError as error:
                print(f"skipped in this round: {name}: {error}", file=sys.stderr, flush=True)
                continue
            self.samples.setdefault(name, []).append((bytes_per_second / 1e6, busy))

    def results(self):
        found = self.relays.results()
        if self.load_port:
            found += self.load_port.results(self.relays)
        for name, samples in self.samples.items():
            rates = [rate for rate, _ in samples]
            for one in found:
                if one["case"] == "payload relayed" and one["params"].get("payload") == 1400:
                    one["vs"][OTHERS[name][0].NAME] = ratio(self._megabytes(one["params"]), rates)
        for name, samples in self.samples.items():
            found.append(result("peers", "payload relayed", {"relay": OTHERS[name][0].NAME}, "MB/CPU-s",
                                [rate for rate, _ in samples]))
        return found

    def _megabytes(self, params):
        if params["datagrams"] == "load port":
            cells = self.load_port.samples["total", params["payload"]]
        else:
            kind = next(k for k, name in compare_relays.NAMES.items() if name == params["relay"])
            cells = self.relays.cells(params["datagrams"] == "coalesced", params["payload"], kind)
        return [c * params["payload"] / 1e6 for c in cells]

    def report(self):
        compare_relays.report(self.relays)
        for one in self.results():
            if one["params"].get("datagrams", "load port") == "load port":
                ratios = ", ".join(f"{name} {value:.2f}" for name, value in one["vs"].items())
                print(f"{one['case']}: {' '.join(map(str, one['params'].values()))}: {one['median']:.0f} "
                      f"({one['min']:.0f} .. {one['max']:.0f}) {one['unit']}  {ratios}")


def main():
    parser = argparse.ArgumentParser(prog="bench/peers.py", description=__doc__)
    parser.add_argument("--others", default=",".join(OTHERS), help="beside the relays")
    parser.add_argument("--bench-relay", metavar="FILE", default=os.path.join(ROOT, "build", "bench", "bench_relay"),
                        help="for Peel on the load port")
    parser.add_argument("--seconds", type=float, default=2, help="for each of those, per round")
    parser.add_argument("--json", metavar="FILE", help="results as JSON, - for standard output")
    options = compare_relays.parse(parser)
    if options.quick:
        options.seconds = 0.5
    asyncio.run(compare_relays.suite(Peers(options), options, "peers"))


if __name__ == "__main__":
    main()
