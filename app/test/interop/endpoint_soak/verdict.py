# SPDX-License-Identifier: BSD-3-Clause
"""The figures of a run, and what must be true of them."""

import json
import statistics
from itertools import product

from .losses import CAUSELESS_FLOOR, FLOOR, compare, share

RSS_BYTES = 4 << 20  # may come on top
FILES = THREADS = 8
WARM_S, PART_S = 600, 300  # memory is compared after WARM_S and at the end, the median of PART_S of each


class Verdict:
    def __init__(self, population, options):
        self.population, self.options, self.ledger = population, options, population.ledger
        self.is_long = options.minutes >= 10  # long enough for what chance decides
        self.figures = {"minutes": options.minutes, "stock": options.stock}

    def checks(self):
        yield "SOCKS: every mix of hops was used", self.mixes
        yield "SOCKS: lost without cause", self.without_cause
        yield "SOCKS: lost", self.lost
        yield "hidden services: every pair of kinds met", self.pairs
        yield "hidden services: lost", self.lost_in_services
        for what in ("memory", "files", "threads"):
            yield f"{what} of those that stay", lambda what=what: self.not_grown(what)
        yield "hostile datagrams", self.hostile
        yield "nobody died or stood still", self.alive

    async def mixes(self):
        rows = self.ledger.table("socks", lambda kind, _, path: (kind, self.ledger.mix(path)))
        print("      client  relays               sent     lost  without cause")
        for (kind, mix), (sent, lost, causeless) in rows.items():
            print(f"      {kind:6}  {mix:18} {sent:7}  {lost:7} {share(lost, sent):7.2%} {causeless:6}", flush=True)
        self.figures["socks"] = {f"{kind}: {mix}": row for (kind, mix), row in rows.items()}
        wanted = [" ".join(mix) for hops in (1, 2, 3) for mix in product(("peel", "stock"), repeat=hops)]
        # A client of a kind is not its own hop; there are four more of that kind.
        missing = [f"{kind}: {mix}" for kind in ("peel", "stock") for mix in wanted if (kind, mix) not in rows]
        if missing and self.is_long:
            raise AssertionError(f"not used: {', '.join(missing)}")
        return f"{len(rows)} rows" + (f"; not used: {', '.join(missing)}" if missing else "")

    def no_worse(self, what, name, only_causeless, floor):
        peel, stock, most = compare(self.ledger.by_minute(what, only_causeless), "peel", "stock", floor)
        self.figures[name] = {"peel": peel, "stock": stock, "most": most}
        note = f"Peel {peel:.3%}, stock {stock:.3%}, no worse up to {most:.3%}"
        if peel > most and not self.options.stock:
            raise AssertionError(note)
        return note

    async def without_cause(self):
        return self.no_worse("socks", "without cause", True, CAUSELESS_FLOOR)

    async def lost(self):
        odd = dict(self.ledger.odd)
        if odd.get("peel"):
            raise AssertionError(f"answers to nothing that was asked: {odd}")
        return self.no_worse("socks", "lost", False, FLOOR)

    async def pairs(self):
        rows = self.ledger.table("service", lambda kind, name, _: (kind, name))
        for (kind, name), (sent, lost, _) in rows.items():
            print(f"      {kind:6} visits a {name:18} {sent:7}  {lost:7} {share(lost, sent):7.2%}", flush=True)
        self.figures["services"] = {f"{kind} visits {name}": row[:2] for (kind, name), row in rows.items()}
        # Two visitors of each kind, two services, a request a second: half the time that one of these four needs. In a
        # short run, a stock seeder that stands still is missed for most of it.
        kinds = ("peel", "stock") if self.is_long else ("peel",)
        wanted = 30 * self.options.minutes if self.is_long else 1
        for key in product(kinds, (f"service of {kind}" for kind in kinds)):
            sent, lost, _ = rows.get(key, (0, 0, 0))
            if sent - lost < wanted:
                raise AssertionError(f"{key[0]} visits a {key[1]}: {sent - lost} answers")

    async def lost_in_services(self):
        return self.no_worse("service", "lost in services", False, FLOOR)

    async def not_grown(self, what):
        """Those with Peel, on the whole or beside those with the stock endpoint, in which py-ipv8 grows as much."""
        grown, notes = {}, []
        longest = max(len(values) for values in self.population.samples.values())
        for (name, _, kind), values in self.population.samples.items():
            if kind != what or len(values) < 0.8 * longest:  # it took the place of one that stood still
                continue
            n = len(values)
            warm = min(WARM_S / self.population.seconds, 0.3)
            part = max(1, int(n * min(PART_S / self.population.seconds, 0.15)))
            start = int(n * warm)
            before, after = statistics.median(values[start:start + part]), statistics.median(values[-part:])
            grown[name] = (before, after)
            unit = (1 << 20) if what == "memory" else 1
            notes.append(f"{name} {before / unit:.1f} -> {after / unit:.1f}")
        self.figures[what] = grown
        if not any(name.startswith("peel") for name in grown):
            raise AssertionError("none with Peel stayed")
        stock = max((after - before for name, (before, after) in grown.items() if name.startswith("stock")), default=0)
        bad = []
        for name, (before, after) in grown.items():
            room = max(0, stock) + RSS_BYTES if what == "memory" else FILES
            if name.startswith("peel") and after - before > room:
                bad.append(name)
        # In a short run nodes still come to know each other, and each exit more is two descriptors.
        if bad and self.is_long and not self.options.stock:
            raise AssertionError(f"grown: {', '.join(bad)}: {'; '.join(notes)}")
        return "; ".join(notes)

    async def hostile(self):
        totals = {name: sum(kinds.values()) for name, kinds in sorted(self.population.hostile.items())}
        by_kind = {}
        for kinds in self.population.hostile.values():
            for kind, count in kinds.items():
                by_kind[kind] = by_kind.get(kind, 0) + count
        self.figures["hostile"] = {"nodes": totals, "kinds": by_kind}
        # In a short run, places of others are empty for a large part of it.
        wanted = self.options.hostile * self.options.minutes / 60
        few = [name for name, total in totals.items() if total < wanted and (self.is_long or name in ("peel 1", "peel 2"))]
        note = f"{min(totals.values())} to {max(totals.values())} at each place; {by_kind}"
        if few or len(totals) < 10:
            raise AssertionError(f"{note}, fewer than {wanted:.0f} at {few}")
        return note

    async def alive(self):
        population = self.population
        self.figures |= {"left": population.left, "still": population.still, "crashes": population.crashes,
                         "states": population.states,
                         "cpu": {f"{name} {series}": round(values[-1] - values[0], 1)
                                 for (name, series, what), values in population.samples.items() if what == "cpu"}}
        note = f"CPU seconds {self.figures['cpu']}"
        bad = [text for text in population.crashes + population.still if text.startswith("peel")]
        if bad and not self.options.stock:
            raise AssertionError(f"{bad}; {note}")
        return f"{population.crashes + population.still or 'none'}; {note}"

    def write(self):
        path = f"{self.options.build}/endpoint-soak{'-stock' if self.options.stock else ''}.json"
        self.figures["samples"] = {" ".join(map(str, key)): values for key, values in self.population.samples.items()}
        self.figures["by minute"] = self.ledger.minutes()
        with open(path, "w", encoding="utf-8") as out:
            json.dump(self.figures, out, indent=1)
        print(f"figures: {path}", flush=True)
