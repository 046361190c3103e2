# SPDX-License-Identifier: BSD-3-Clause
"""The suite `circuit`: payload through one circuit of three hops, and through twenty, client and relays and sink here.

libpeel beside a py-ipv8 node with the Rust endpoint (by its SOCKS5 server), each through relays of its own kind and
through the other's; and `peel client` by its SOCKS5 server. The same load for all: datagrams of one size that a window
bounds, which is as large as suits the contender best. What cannot run here is left out, with a line that says why.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import os
import signal
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PATHS = [HERE, os.path.join(ROOT, "app", "test")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for nodes in processes of their own

from circuit_nodes import HOPS, SETTINGS, Chain, Load, PeelClient  # noqa: E402
from interop import proc  # noqa: E402
from interop.net import free_ports, until  # noqa: E402
from interop.remote import Remote  # noqa: E402
from results import ratio, result, write  # noqa: E402

# Key: name, client, relays. All are compared with the first two.
CONTENDERS = {
    "peel": ("Peel", "peel", "peel"),
    "rust": ("py-ipv8 + Rust", "rust", "rust"),
    "socks": ("Peel, SOCKS5", "client", "peel"),
    "peel-rust": ("libpeel to Rust", "peel", "rust"),
    "rust-peel": ("Rust to Peel", "rust", "peel"),
}
PUBLISHED = {1: 3.0, 20: 25.5}  # MB/s of py-ipv8 with the Rust endpoint, as its authors tell
WINDOWS = (16, 32, 64, 96, 128, 256, 512, 1024, 2048, 4096, 8192)
TOLERATED = 0.05  # share of datagrams that may get lost with a window that counts as suitable


def say(text):
    print(f"circuit: {text}", file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Case:
    circuits: int
    payload: int
    echo: bool

    def text(self):
        return f"{self.circuits} circuits, {self.payload} bytes{', echo' if self.echo else ''}"


class Contender:
    def __init__(self, key, options):
        self.key, (self.name, self.client_kind, self.relay_kind) = key, CONTENDERS[key]
        self.options, self.windows, self.runs = options, {}, {}
        self.chain = self.client = self.load = None

    async def start(self, enter, chain):
        self.chain, most = chain, max(self.options.circuits)
        if self.client_kind == "peel":
            bootstrap = [f"{ip}:{port}" for ip, port in chain.addresses]
            self.load = await enter(Load(self.options.load, "peel", HOPS, most, *bootstrap, name=self.name))
        elif self.client_kind == "client":
            self.client = await enter(PeelClient(self.options.peel, chain.addresses, most))
            self.load = await enter(Load(self.options.load, "socks", self.client.port, name=self.name))
        else:
            self.client = await enter(Remote("circuit_nodes:RustClient", {
                "ip": "127.0.0.1", "port": free_ports(1)[0], "flags": [], "endpoint": "rust",
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
        if self.client_kind == "rust":
            await self.client.fill(self.chain.keys, most)
        for left in reversed(range(tries)):
            try:
                await self.load.ask("open", most)
                return
            except RuntimeError:
                if not left:
                    raise
                await asyncio.sleep(2)

    async def run(self, case, window, ms):
        """One run, and the CPU time it took whom; the circuits are made anew if they ended."""
        await self.open()
        client = self.client.process.pid if self.client else None
        relays, own = self.chain.cpu_ns(), proc.cpu_nanoseconds(client) if client else 0
        run = await self.load.ask("run", case.circuits, case.payload, window, ms, int(case.echo))
        run["relays_ns"] = self.chain.cpu_ns() - relays
        run["load_ns"] = run["sink_ns"]
        if client:
            run["client_ns"] = proc.cpu_nanoseconds(client) - own
            run["load_ns"] = run["process_ns"]
        else:
            run["client_ns"] = run["process_ns"] - run["sink_ns"]
        if run["bad"]:
            raise RuntimeError(f"{self.name}: {run['bad']} datagrams came out changed")
        run["rate"] = run["measured_bytes"] * 1e3 / run["wall_ns"]
        run["lost"] = max(0, 1 - run["received"] / run["sent"]) if run["sent"] else 1
        return run

    async def search(self, case):
        """The window that suits it best."""
        tried = {}
        for _ in range(self.options.search_runs):  # the better one counts: others may have disturbed the other
            for window in self.options.windows:
                run = await self.run(case, window, self.options.search_ms)
                if window not in tried or run["rate"] > tried[window]["rate"]:
                    tried[window] = run
        quiet = {w: run for w, run in tried.items() if run["lost"] < TOLERATED} or tried
        self.windows[case] = max(quiet, key=lambda w: quiet[w]["rate"])
        say(f"{self.name}, {case.text()}: window {self.windows[case]}; " +
            ", ".join(f"{w}: {run['rate']:.1f} MB/s {run['lost']:.1%} lost" for w, run in tried.items()))

    async def measure(self, case):
        run = await self.run(case, self.windows[case], self.options.ms)
        if not run["measured_bytes"]:
            raise RuntimeError(f"{self.name}: nothing came out of {case.text()}")
        if run["exits"] < case.circuits:
            say(f"{self.name}: only {run['exits']} of {case.circuits} circuits were used")
        self.runs.setdefault(case, []).append(run)

    def rates(self, case):
        return [run["rate"] for run in self.runs[case]]


class Circuits:
    def __init__(self, options):
        self.options, self.stack, self.contenders = options, contextlib.AsyncExitStack(), []
        self.cases = [Case(circuits, payload, False) for payload in options.payloads for circuits in options.circuits]
        self.cases += [Case(circuits, options.payloads[0], True) for circuits in options.circuits if options.echo]

    async def _enter(self, node):
        self.stack.push_async_callback(node.stop)
        return await node.start()

    async def start(self):
        chains = {}
        for key in self.options.contenders:
            contender = Contender(key, self.options)
            kind = contender.relay_kind
            try:
                if kind not in chains:
                    chain = Chain(kind, self.options)
                    await chain.start(self._enter)
                    chains[kind] = chain
                await contender.start(self._enter, chains[kind])
            except (OSError, RuntimeError, TimeoutError) as error:
                if key == "peel":
                    raise
                say(f"skipped: {contender.name}: {error}")
                continue
            self.contenders.append(contender)
            say(f"{contender.name}: {max(self.options.circuits)} circuits are ready")

    async def each(self, what, case):
        """Of all contenders; one that fails twice in a row is out."""
        for contender in list(self.contenders):
            for last in (False, True):
                try:
                    await what(contender, case)
                    break
                except (RuntimeError, TimeoutError) as error:
                    say(f"{contender.name}: {case.text()}: {error}")
                    if last:
                        self.contenders.remove(contender)

    async def round(self):
        for case in self.cases:
            await self.each(Contender.measure, case)

    async def run(self):
        for case in self.cases:
            await self.each(Contender.search, case)
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            await self.round()
        if not any(contender.key == "peel" for contender in self.contenders):
            raise RuntimeError("Peel did not get through all rounds")

    def results(self):
        found = []
        for case in self.cases:
            for contender in self.contenders:
                found += self._results(contender, case)
        return found

    def _results(self, contender, case):
        params = {"path": contender.name, "circuits": case.circuits, "payload": case.payload}
        runs, rates = contender.runs[case], contender.rates(case)
        bases = [other for other in self.contenders if other is not contender and other.key in ("peel", "rust")]
        vs = {other.name: ratio(rates, other.rates(case)) for other in bases}
        if not case.echo:
            vs["published"] = round(statistics.median(rates) / PUBLISHED.get(case.circuits, 3.0), 3)
        direction = "there and back" if case.echo else "there"
        yield result("circuit", f"payload, {direction}", params, "MB/s", rates, vs)
        yield result("circuit", f"lost, {direction}", params, "% lost", [100 * run["lost"] for run in runs])
        for who in ("client", "relays", "load"):
            cost = [run[f"{who}_ns"] / max(run["bytes"], 1) for run in runs]
            yield result("circuit", f"CPU time, {direction}", {**params, "of": who}, "s/GB", cost)


def report(circuits):
    print(f"{'payload':14} {'circuits':>8} {'bytes':>5}  {'path':24} {'MB/s':>7} {'lowest':>7} {'highest':>7} "
          f"{'lost':>6}  {'CPU s/GB: client':>16} {'relays':>6} {'load':>6}  window  times as much as")
    for case in circuits.cases:
        for contender in circuits.contenders:
            rows = list(circuits._results(contender, case))
            rate, lost, *cpu = rows
            client, relays, load = (row["median"] for row in cpu)
            ratios = ", ".join(f"{name} {value:.2f}" for name, value in rate["vs"].items())
            print(f"{rate['case'][9:]:14} {case.circuits:8} {case.payload:5}  {contender.name:24} {rate['median']:7.1f} "
                  f"{rate['min']:7.1f} {rate['max']:7.1f} {lost['median']:5.1f}%  {client:16.2f} {relays:6.2f} "
                  f"{load:6.2f}  {contender.windows[case]:6}  {ratios}")


async def run(options):
    circuits = Circuits(options)
    # Told to end: by the way out, which ends all processes.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    try:
        await circuits.start()
        await circuits.run()
    finally:
        await circuits.stack.aclose()
    if options.json != "-":
        report(circuits)
    if options.json:
        write(options.json, circuits.results())


def numbers(text):
    return [int(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(prog="bench/circuit.py", description=__doc__)
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="in this order")
    parser.add_argument("--circuits", type=numbers, default=[1, 20], help="at a time, 1 to 64")
    parser.add_argument("--payloads", type=numbers, help="bytes, 24 to 1400 (1300,1024,64)")
    parser.add_argument("--no-echo", dest="echo", action="store_false", help="only there, not back")
    parser.add_argument("--windows", type=numbers, default=WINDOWS, help="datagrams under way to choose from")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ms", type=int, default=1000, help="of a run")
    parser.add_argument("--search-ms", type=int, default=200, help="of a run with each window")
    parser.add_argument("--search-runs", type=int, default=2)
    parser.add_argument("--rust-threads", type=int, default=4, help="of each Rust endpoint; its own default is 4")
    parser.add_argument("--quick", action="store_true", help="only see that it works")
    parser.add_argument("--peel", default=os.path.join(ROOT, "build", "app", "peel", "peel"), help="the peel binary")
    parser.add_argument("--load", default=os.path.join(ROOT, "build", "bench", "circuit", "circuit_load"),
                        help="the load's binary")
    parser.add_argument("--json", metavar="FILE", help="results as JSON, - for standard output")
    options = parser.parse_args()
    options.contenders = options.contenders.split(",")
    unknown = set(options.contenders) - set(CONTENDERS)
    if unknown or "peel" not in options.contenders:
        parser.error(f"contenders are {', '.join(CONTENDERS)}; peel must be among them")
    if options.quick:
        options.rounds, options.ms, options.search_ms, options.search_runs, options.windows = 1, 60, 30, 1, [64, 512]
    options.payloads = options.payloads or ([1300] if options.quick else [1300, 1024, 64])
    return options


def main():
    try:
        asyncio.run(run(parse()))
    except (OSError, RuntimeError, TimeoutError) as error:
        sys.exit(f"circuit: {error}")
    except asyncio.CancelledError:
        sys.exit("circuit: told to end")


if __name__ == "__main__":
    main()
