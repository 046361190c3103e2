# SPDX-License-Identifier: BSD-3-Clause
"""What the suites of payload share: contenders, the window that suits each, and rounds in which they take turns."""

import asyncio
import contextlib
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PATHS = [HERE, os.path.join(ROOT, "app", "test")]
sys.path[:0] = PATHS
os.environ["PYTHONPATH"] = os.pathsep.join(PATHS)  # for nodes in processes of their own

from interop import proc  # noqa: E402
from results import ratio, result, write  # noqa: E402

WINDOWS = (16, 32, 64, 96, 128, 256, 512, 1024, 2048, 4096, 8192)
TOLERATED = 0.05  # share of datagrams that may get lost with a window that counts as suitable


def say(text):
    print(text, file=sys.stderr, flush=True)


class Contender:
    """Subclasses start what takes part, and open lanes; a case says what words a run's order has."""

    def __init__(self, key, name, relay_kind, options):
        self.key, self.name, self.relay_kind, self.options = key, name, relay_kind, options
        self.windows, self.runs = {}, {}
        self.chain = self.load = None

    async def start(self, enter, chain):
        raise NotImplementedError

    async def open(self):
        """Lanes, again where they ended."""
        raise NotImplementedError

    def clients(self):
        """Processes with circuits that are not the load's."""
        return []

    def load_of(self, _case):
        return self.load

    async def run(self, case, window, ms):
        """One run, and the CPU time it took whom; the circuits are made anew if they ended."""
        await self.open()
        clients = [client.process.pid for client in self.clients()]
        relays, own = self.chain.cpu_ns(), sum(map(proc.cpu_nanoseconds, clients))
        run = await self.load_of(case).ask("run", *case.order(window, ms))
        run["relays_ns"] = self.chain.cpu_ns() - relays
        run["load_ns"] = run["sink_ns"]
        if clients:
            run["client_ns"] = sum(map(proc.cpu_nanoseconds, clients)) - own
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
        if run["exits"] < case.lanes():
            say(f"{self.name}: only {run['exits']} of {case.lanes()} circuits were used")
        self.runs.setdefault(case, []).append(run)

    def rates(self, case):
        return [run["rate"] for run in self.runs[case]]

    def rows(self, suite, what, case, params, others):
        """Results of a case: payload beside that of others, losses, CPU time."""
        runs, rates = self.runs[case], self.rates(case)
        vs = {other.name: ratio(rates, other.rates(case)) for other in others if other is not self}
        params = {"path": self.name, **params}
        yield result(suite, f"payload, {what}", params, "MB/s", rates, vs)
        yield result(suite, f"lost, {what}", params, "% lost", [100 * run["lost"] for run in runs])
        for who in ("client", "relays", "load"):
            cost = [run[f"{who}_ns"] / max(run["bytes"], 1) for run in runs]
            yield result(suite, f"CPU time, {what}", {**params, "of": who}, "s/GB", cost)


class Rounds:
    """Searches, then rounds, over all cases and contenders."""

    def __init__(self, options, cases):
        self.options, self.cases = options, cases
        self.stack, self.contenders = contextlib.AsyncExitStack(), []

    async def _enter(self, node):
        self.stack.push_async_callback(node.stop)
        return await node.start()

    def contender(self, key):
        raise NotImplementedError

    def chain(self, kind):
        """Relays of a kind, for all contenders that use it."""
        raise NotImplementedError

    def rows(self, contender, case):
        raise NotImplementedError

    def results(self):
        return [row for case in self.cases for contender in self.contenders for row in self.rows(contender, case)]

    async def start(self):
        chains = {}
        for key in self.options.contenders:
            contender = self.contender(key)
            kind = contender.relay_kind
            try:
                if kind not in chains:
                    chain = self.chain(kind)
                    await chain.start(self._enter)
                    chains[kind] = chain
                await contender.start(self._enter, chains[kind])
            except (OSError, RuntimeError, TimeoutError) as error:
                if key == "peel":
                    raise
                say(f"skipped: {contender.name}: {error}")
                continue
            self.contenders.append(contender)
            say(f"{contender.name}: ready")

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


def report(rounds):
    print(f"{'payload':14} {'case':32}  {'path':24} {'MB/s':>7} {'lowest':>7} {'highest':>7} "
          f"{'lost':>6}  {'CPU s/GB: client':>16} {'relays':>6} {'load':>6}  window  times as much as")
    for case in rounds.cases:
        for contender in rounds.contenders:
            rate, lost, *cpu = rounds.rows(contender, case)
            client, relays, load = (row["median"] for row in cpu)
            ratios = ", ".join(f"{name} {value:.2f}" for name, value in rate["vs"].items())
            print(f"{rate['case'][9:]:14} {case.text():32}  {contender.name:24} {rate['median']:7.1f} "
                  f"{rate['min']:7.1f} {rate['max']:7.1f} {lost['median']:5.1f}%  {client:16.2f} {relays:6.2f} "
                  f"{load:6.2f}  {contender.windows[case]:6}  {ratios}")


async def _run(options, rounds, show):
    # Told to end: by the way out, which ends all processes.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    try:
        await rounds.start()
        await rounds.run()
    finally:
        await rounds.stack.aclose()
    if options.json != "-":
        show(rounds)
    if options.json:
        write(options.json, rounds.results())


def numbers(text):
    return [int(part) for part in text.split(",")]


def common_options(parser, contenders):
    """What all suites of this kind can be told. Give them to take_common() afterwards."""
    parser.add_argument("--contenders", default=",".join(contenders), help="in this order")
    parser.add_argument("--payloads", type=numbers, help="bytes, 24 to 1400 (1300,1024,64)")
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


def take_common(parser, options, contenders):
    options.contenders = options.contenders.split(",")
    unknown = set(options.contenders) - set(contenders)
    if unknown or "peel" not in options.contenders:
        parser.error(f"contenders are {', '.join(contenders)}; peel must be among them")
    if options.quick:
        options.rounds, options.ms, options.search_ms, options.search_runs, options.windows = 1, 60, 30, 1, [64, 512]
    options.payloads = options.payloads or ([1300] if options.quick else [1300, 1024, 64])


def main(name, options, rounds, show=report):
    try:
        asyncio.run(_run(options, rounds, show))
    except (OSError, RuntimeError, TimeoutError) as error:
        sys.exit(f"{name}: {error}")
    except asyncio.CancelledError:
        sys.exit(f"{name}: told to end")
