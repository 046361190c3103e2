# SPDX-License-Identifier: BSD-3-Clause
"""The suite `peers`: what a CPU second is worth in Peel and in others that pass on sealed packets, in the same run.

Relays of this protocol get the same cells (compare_relays); Tor's middle relay and wireguard-go do the same kind of work
in networks of their own. All are measured in every round. Peers that this machine cannot run are left out, with a line
that says why.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PATHS = [HERE, os.path.join(ROOT, "app", "test")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for nodes in processes of their own

import compare_relays  # noqa: E402
import peers_tor  # noqa: E402
import peers_wireguard  # noqa: E402
from compare_relays import ratio, result  # noqa: E402

OTHERS = {"tor": (peers_tor, peers_tor.Tor), "wireguard-go": (peers_wireguard, peers_wireguard.Wireguard)}
CPUS = (1, 0) if (os.cpu_count() or 1) > 1 else (0, 0)  # of what is measured, of the load


class Peers:
    def __init__(self, options):
        self.options, self.relays, self.others, self.samples = options, compare_relays.Relays(options), {}, {}
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
        self.stack.push_async_callback(self.relays.stop)
        await self.relays.start()

    async def round(self):
        await self.relays.round()
        for name, other in self.others.items():
            bytes_per_second, busy = await other.measure(self.options.seconds)
            self.samples.setdefault(name, []).append((bytes_per_second / 1e6, busy))

    def results(self):
        found = self.relays.results()
        for name, samples in self.samples.items():
            rates = [rate for rate, _ in samples]
            found.append(result("payload relayed", {"relay": OTHERS[name][0].NAME}, "MB/CPU-s", rates))
            for one in found:
                if one["case"] == "payload relayed" and one["params"].get("payload") == 1400:
                    kind = next(k for k, n in compare_relays.NAMES.items() if n == one["params"]["relay"])
                    cells = self.relays.cells(one["params"]["datagrams"] == "coalesced", 1400, kind)
                    one["vs"][OTHERS[name][0].NAME] = ratio([c * 1400 / 1e6 for c in cells], rates)
        return found

    def report(self):
        compare_relays.report(self.relays)
        for name, samples in self.samples.items():
            rates = [rate for rate, _ in samples]
            print(f"{OTHERS[name][0].NAME:34} {'':11} {min(rates):9.0f} {max(rates):9.0f} {statistics.median(rates):8.0f} "
                  f"{'':8} {statistics.median(busy for _, busy in samples):5.0%}  (all in MB of payload per CPU second)")


async def run(options):
    peers = Peers(options)
    try:
        await peers.start()
        for number in range(options.rounds):
            print(f"peers: round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            await peers.round()
    finally:
        await peers.stack.aclose()
    if options.json != "-":
        peers.report()
    if options.json:
        text = json.dumps({"results": peers.results()}, indent=1)
        if options.json == "-":
            print(text)
        else:
            with open(options.json, "w", encoding="utf-8") as file:
                print(text, file=file)


def main():
    parser = argparse.ArgumentParser(prog="bench/peers.py", description=__doc__)
    parser.add_argument("--others", default=",".join(OTHERS), help="beside the relays")
    parser.add_argument("--seconds", type=float, default=2, help="for each of those, per round")
    parser.add_argument("--json", metavar="FILE", help="results as JSON, - for standard output")
    options = compare_relays.parse(parser)
    if options.quick:
        options.seconds = 0.5
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
