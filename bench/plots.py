# SPDX-License-Identifier: BSD-3-Clause
"""Drawings of results by gnuplot, as SVG: median, with min and max as error bars."""

import shutil
import subprocess

STYLE = """set terminal svg size 900,600 font "sans-serif,13" background rgb "white"
set key outside below
set grid
"""


def _quoted(text):
    """A label; underscores would make the next letter small."""
    return '"' + str(text).replace("\\", "/").replace('"', "'").replace("_", r"\\_") + '"'


def _matches(result, plot):
    params = result["params"]
    if plot.cases and result["case"] not in plot.cases:
        return False
    if plot.x not in params or any(params.get(name) != value for name, value in plot.where.items()):
        return False
    return plot.bars or not isinstance(params[plot.x], str)


def _lines(results, plot):
    """{label: {x: result}}, both in the order of the results."""
    several = len({r["case"] for r in results}) > 1
    lines = {}
    for r in results:
        label = ([r["case"]] if several else []) + [str(r["params"].get(name, "")) for name in plot.lines]
        lines.setdefault(", ".join(filter(None, label)) or r["case"], {})[r["params"][plot.x]] = r
    return lines


def _horizontal(values, log):
    """The axis is marked where something was measured."""
    marks = ", ".join(f'"{value:,}" {value}' for value in values)
    if log:
        return ["set logscale x", f"set xrange [{values[0] * 0.8}:{values[-1] * 1.25}]", f"set xtics ({marks})"]
    margin = (values[-1] - values[0]) * 0.05 or 1
    return [f"set xrange [{values[0] - margin}:{values[-1] + margin}]", f"set xtics ({marks})"]


def script(results, plot, path):
    """The gnuplot program for one drawing, or None when there is nothing to draw."""
    results = [r for r in results if _matches(r, plot)]
    units = list(dict.fromkeys(r["unit"] for r in results))
    if len(results) < 2 or len(units) != 1:
        return None
    lines = _lines(results, plot)
    out = [STYLE, f"set output '{path}'", f"set title {_quoted(plot.title)}",
           f"set xlabel {_quoted(plot.x)}", f"set ylabel {_quoted(units[0])}"]
    everywhere = list(dict.fromkeys(r["params"][plot.x] for r in results))
    if not plot.bars:
        out += _horizontal(sorted(everywhere), plot.log_x)
    out.append("set logscale y" if plot.log_y else "set yrange [0:*]")
    if plot.bars:
        out += ["set style data histogram", "set style histogram errorbars gap 2 lw 1", "set style fill solid 0.7"]
    for number, points in enumerate(lines.values()):
        out.append(f"$d{number} << EOD")
        for x in everywhere if plot.bars else sorted(points):
            r = points.get(x)
            figures = f"{r['median']} {r['min']} {r['max']}" if r else "? ? ?"
            out.append(f"{_quoted(x) if plot.bars else x} {figures}")
        out.append("EOD")
    how = "using 2:3:4:xtic(1)" if plot.bars else "using 1:2:3:4 with yerrorlines pt 7 ps 0.5"
    parts = [f"$d{number} {how} title {_quoted(label)}" for number, label in enumerate(lines)]
    out += ['set datafile missing "?"', "plot " + ", ".join(parts)]
    return "\n".join(out) + "\n"


def draw(suites, results, folder):
    """Draw what can be drawn; gives (files made, reasons for those that were not)."""
    if shutil.which("gnuplot") is None:
        return [], ["gnuplot is not installed"]
    made, bad = [], []
    for name, suite in suites.items():
        own = [r for r in results if r["suite"] == name]
        for plot in suite.plots:
            path = folder / f"{name}-{plot.name}.svg"
            program = script(own, plot, path)
            if program is None:
                continue
            done = subprocess.run(["gnuplot"], input=program, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                made.append(path)
            else:
                bad.append(f"{path.name}: {done.stderr.strip().splitlines()[-1:]}")
    return made, bad
