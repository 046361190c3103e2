# SPDX-License-Identifier: BSD-3-Clause
"""Results of benchmarks: the schema, its check, the table, and the comparison of two runs.

A document is {"machine":{...},"results":[...]}, a result exactly
{"suite","case","params":{...},"unit","median","min","max","vs":{"name":ratio}}. Suite, case and params together name it.
"""

import json
import math
import re
import statistics

FIELDS = {"suite": str, "case": str, "params": dict, "unit": str, "median": (int, float), "min": (int, float),
          "max": (int, float), "vs": dict}
# What is better follows from the unit; one that is in neither list is an error, so that no comparison guesses.
MORE_IS_BETTER = re.compile(r"%|x|.+/(s|CPU-s|core-s)")
LESS_IS_BETTER = re.compile(r"(cycles|ns|us|ms|s|bytes|% lost)(/.+)?")


def more_is_better(unit):
    """True, False, or None for an unknown unit."""
    if MORE_IS_BETTER.fullmatch(unit):
        return True
    return False if LESS_IS_BETTER.fullmatch(unit) else None


def key(result):
    return result["suite"], result["case"], json.dumps(result["params"], sort_keys=True)


def title(result):
    params = " ".join(f"{name}={value}" for name, value in result["params"].items())
    return f"{result['suite']}: {result['case']} {params}".rstrip()


# ---- making ----------------------------------------------------------------------------------------------------------

def ratio(values, base):
    """Median of the rounds' ratios."""
    return float(f"{statistics.median(v / b for v, b in zip(values, base)):.4g}")


def result(suite, case, params, unit, values, vs=None):
    """One result from its rounds."""
    return {"suite": suite, "case": case, "params": params, "unit": unit,
            "median": round(statistics.median(values), 3), "min": round(min(values), 3),
            "max": round(max(values), 3), "vs": vs or {}}


def write(path, found):
    """As a suite's program does; - is standard output."""
    text = json.dumps({"results": found}, indent=1)
    if path == "-":
        print(text)
    else:
        with open(path, "w", encoding="utf-8") as file:
            print(text, file=file)


# ---- schema ----------------------------------------------------------------------------------------------------------

def _number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_result(result):
    if not isinstance(result, dict) or set(result) != set(FIELDS):
        yield f"not exactly the fields {', '.join(FIELDS)}"
        return
    for name, kind in FIELDS.items():
        if not isinstance(result[name], kind) or isinstance(result[name], bool):
            yield f"{name} has the wrong type"
            return
    if not result["suite"] or not result["case"]:
        yield "no name"
    if more_is_better(result["unit"]) is None:
        yield f"unit {result['unit']!r} does not say what is better (bench/results.py)"
    for name, value in result["params"].items():
        if not isinstance(value, (str, bool)) and not _number(value):
            yield f"parameter {name} is neither text nor a number"
    for name, value in result["vs"].items():
        if not _number(value) or value <= 0:
            yield f"ratio to {name} is not a positive number"
    low, median, high = result["min"], result["median"], result["max"]
    if not all(map(_number, (low, median, high))):
        yield "a value is not a finite number"
    elif not low <= median <= high:
        yield f"median {median} is not between min {low} and max {high}"
    # Nothing may be lost, and a program that has no part in the load takes no time.
    elif low < 0 or median == 0 and not result["unit"].startswith("%") and result["unit"] != "s/GB":
        yield f"median {median}, min {low}: nothing was measured"


def problems(document, machine=True):
    """What is wrong with a document, as texts; nothing when it is valid. Without machine: as a program writes it."""
    wanted = {"machine", "results"} if machine else {"results"}
    if not isinstance(document, dict) or set(document) != wanted:
        return [f"the document has not exactly the members {', '.join(sorted(wanted))}"]
    if machine and not isinstance(document["machine"], dict):
        return ["machine is not an object"]
    if not isinstance(document["results"], list) or not document["results"]:
        return ["there are no results"]
    found, seen = [], set()
    for number, result in enumerate(document["results"], 1):
        bad = list(_check_result(result))
        if not bad and key(result) in seen:
            bad = [f"second result with this name: {title(result)}"]
        if not bad:
            seen.add(key(result))
        found += [f"result {number}: {text}" for text in bad]
    return found


def load(path, machine=True):
    """Read and check. ValueError, OSError."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    bad = problems(document, machine)
    if bad:
        raise ValueError(f"{path}: " + "; ".join(bad[:5]))
    return document


# ---- table -----------------------------------------------------------------------------------------------------------

def number(value):
    """Four significant digits, no exponent."""
    if value == 0 or not 0.001 <= abs(value) < 1e15:
        return f"{value:.3g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def table(results):
    """Lines: ratios first, then the figures they come from."""
    head = ("case", "parameters", "ratios", "median", "min", "max", "unit")
    rows = [(r["case"], " ".join(f"{k}={v}" for k, v in r["params"].items()),
             ", ".join(f"{number(v)} x {k}" for k, v in r["vs"].items()), number(r["median"]), number(r["min"]),
             number(r["max"]), r["unit"]) for r in results]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(f"{cell:>{w}}" if 3 <= i <= 5 else f"{cell:{w}}"
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip()


# ---- comparison ------------------------------------------------------------------------------------------------------

class Change:
    """One case in two runs. `factor` above 1 is worse, whatever the unit."""

    def __init__(self, old, new, tolerance):
        self.old, self.new = old, new
        more = more_is_better(new["unit"])
        zero = not old["median"] or not new["median"]  # shares may be 0 %
        if zero:
            self.factor = 1.0 if old["median"] == new["median"] else math.inf
        else:
            self.factor = old["median"] / new["median"] if more else new["median"] / old["median"]
        if zero and (old["median"] > new["median"]) != bool(more):
            self.factor = 1 / self.factor
        self.noise = tolerance + _spread(old) + _spread(new)
        if more:
            below, above = new["max"] < old["min"], new["min"] > old["max"]
        else:
            below, above = new["min"] > old["max"], new["max"] < old["min"]
        self.worse = below and self.factor > 1 + self.noise
        self.better = above and self.factor < 1 / (1 + self.noise)

    def text(self):
        verdict = "WORSE " if self.worse else "better" if self.better else "      "
        old, new = self.old, self.new
        change = (new["median"] / old["median"] - 1) * 100 if old["median"] else math.inf
        return (f"{verdict} {change:+7.1f} %  noise {self.noise * 100:3.0f} %  {number(old['median'])} "
                f"({number(old['min'])} .. {number(old['max'])}) -> {number(new['median'])} "
                f"({number(new['min'])} .. {number(new['max'])}) {new['unit']}  {title(new)}")


def _spread(result):
    """Half of what lies between the best and the worst round, as a share of the median."""
    return (result["max"] - result["min"]) / (2 * result["median"]) if result["median"] else 0.0


def compare(old, new, tolerance=0.1):
    """Match by suite, case, params and unit. Gives (changes, only in old, only in new).

    Of the old ones only the suites that the new run has count as missing.
    """
    before = {(*key(r), r["unit"]): r for r in old["results"]}
    after = {(*key(r), r["unit"]): r for r in new["results"]}
    suites = {r["suite"] for r in new["results"]}
    changes = [Change(before[k], after[k], tolerance) for k in after if k in before]
    gone = [r for k, r in before.items() if k not in after and r["suite"] in suites]
    return changes, gone, [r for k, r in after.items() if k not in before]


def worse(old, new, tolerance=0.1):
    """Names (as of key) of the cases that are worse beyond noise."""
    return {key(c.new) for c in compare(old, new, tolerance)[0] if c.worse}


def comparison(old, new, tolerance=0.1, again=None):
    """(lines to print, number of regressions).

    `again`: results of a second run of the suites that had a regression; what is worse in one of two runs is noise.
    """
    changes, gone, fresh = compare(old, new, tolerance)
    lines = []
    if again is not None:
        confirmed = worse(old, again, tolerance)
        unsteady = [c for c in changes if c.worse and key(c.new) not in confirmed]
        for change in unsteady:
            change.worse = False
        lines += [f"not again {c.text().strip()}" for c in unsteady]
    for fact in ("cpu", "cores", "kernel", "quick"):
        a, b = old["machine"].get(fact), new["machine"].get(fact)
        if a != b:
            lines.append(f"different {fact}: {a} then, {b} now; do not trust the comparison")
    moved = sorted((c for c in changes if c.worse or c.better), key=lambda c: -c.factor)
    lines += [c.text() for c in moved]
    bad = sum(c.worse for c in changes)
    finite = sorted(c.factor for c in changes if c.factor not in (0, math.inf))
    if finite:
        middle = finite[len(finite) // 2]
        lines.append(f"the middle one of {len(changes)} changes: {(middle - 1) * 100:+.1f} % (above 0 is worse)")
    for text, some in (("gone", gone), ("new", fresh)):
        if some:
            lines.append(f"{len(some)} {text}: " + "; ".join(title(r) for r in some[:5]) +
                         (" ..." if len(some) > 5 else ""))
    lines.append(f"{len(changes)} compared: {bad} worse beyond noise, {len(moved) - bad} better, "
                 f"{len(changes) - len(moved)} as before")
    return lines, bad
