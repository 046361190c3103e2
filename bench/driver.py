# SPDX-License-Identifier: BSD-3-Clause
"""Benchmarks of Peel: runs suites, prints a table (ratios first), writes one JSON document, draws.

The results folder gets results.json, table.txt (all rows) and drawings as SVG.

--compare matches results by suite, case, parameters and unit and says what moved beyond noise. A case is a regression when
its rounds lie entirely on the bad side of the old ones (no overlap of min..max) and the medians differ by more than the
tolerance plus half of either run's range: quiet cases are held to little more than the tolerance, noisy ones to what
their own rounds allow. Suites that have one run once more: only what is worse both times counts.
Exit code: 0, 1 when a suite failed, 2 for a wrong command line, 3 for a regression.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import machine
import plots
import results
from suites import SUITES

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIP = 77


def say(text):
    print(text, file=sys.stderr, flush=True)


def stop(process):
    """A suite and whatever it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue


def call(command, seconds):
    """Exit code and the last line of output, which is passed on as it comes."""
    last = ""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        previous = signal.signal(signal.SIGALRM, lambda *_: stop(process))
        signal.alarm(seconds)
        try:
            for line in process.stdout:
                last = line.strip() or last
                say("  " + line.rstrip())
            code = process.wait()
        except BaseException:
            stop(process)
            raise
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
    return code, last


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def run_suite(name, suite, options):
    """Results of one suite. Failed, Skipped."""
    values = {"build": options.build, "root": ROOT, "python": ROOT / "build" / "venv" / "bin" / "python"}
    seconds = suite.quick_seconds if options.quick else suite.seconds
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "results.json"
        command = [part.format(**values) for part in suite.command] + (["--quick"] if options.quick else [])
        if suite.engine and options.engine:
            command += ["--engine", options.engine]
        start = time.monotonic()
        try:
            code, last = call([*command, "--json", str(file)], seconds)
        except OSError as error:
            raise Failed(str(error)) from error
        if code == SKIP:
            raise Skipped(last or "not on this machine")
        if code != 0 and time.monotonic() - start >= seconds:
            raise Failed(f"not done after {seconds} s")
        if code != 0:
            raise Failed(f"exit code {code}: {last}")
        try:
            found = results.load(file, machine=False)["results"]
        except (OSError, ValueError) as error:
            raise Failed(str(error)) from error
    strangers = {r["suite"] for r in found} - {name}
    if strangers:
        raise Failed(f"results of other suites: {', '.join(strangers)}")
    return found


def run_all(names, options):
    """(document, suites that failed)."""
    facts, found, failed = machine.before(ROOT) | {"quick": options.quick}, [], {}
    if options.engine:
        facts["engine"] = options.engine
    skipped = {}
    for number, name in enumerate(names, 1):
        say(f"[{number}/{len(names)}] {name}: {SUITES[name].about}")
        start = time.monotonic()
        try:
            some = run_suite(name, SUITES[name], options)
        except Skipped as reason:
            skipped[name] = str(reason)
            say(f"  skipped: {reason}")
        except Failed as reason:
            failed[name] = str(reason)
            say(f"  FAILED: {reason}")
        else:
            found += some
            say(f"  {len(some)} results in {time.monotonic() - start:.0f} s")
    facts = machine.after(facts)
    if skipped:
        facts["skipped"] = skipped
    return {"machine": facts, "results": found}, failed


def tables(document, brief):
    """Lines for all suites of a document."""
    for name in dict.fromkeys(r["suite"] for r in document["results"]):
        own = [r for r in document["results"] if r["suite"] == name]
        only = SUITES[name].brief if brief and name in SUITES else {}
        rows = [r for r in own if all(r["params"].get(p, v[0]) in v for p, v in only.items())] or own
        yield f"== {name}: {SUITES[name].about}" if name in SUITES else f"== {name}"
        yield from results.table(rows)
        if len(rows) < len(own):
            yield f"({len(own) - len(rows)} more rows in table.txt)"
        yield ""


def write(document, options):
    """Everything that goes into files."""
    folder = pathlib.Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (folder / "results.json").write_text(text, encoding="utf-8")
    (folder / "table.txt").write_text("\n".join(tables(document, brief=False)) + "\n", encoding="utf-8")
    if options.json == "-":
        print(text, end="")
    elif options.json:
        pathlib.Path(options.json).write_text(text, encoding="utf-8")
    if not options.no_plots:
        made, bad = plots.draw(SUITES, document["results"], folder)
        say(f"{len(made)} drawings" + "".join(f"; not drawn: {reason}" for reason in bad))
    say(f"results are in {folder}")


def confirm(old, document, options):
    """A second run of the suites that look worse, or None."""
    names = {name[0] for name in results.worse(old, document, options.tolerance / 100)}
    if not names:
        return None
    say("some cases look worse: once more")
    return run_all([name for name in SUITES if name in names], options)[0]


def parse(arguments):
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="all without a name; --list says which there are")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes: to see that it works")
    parser.add_argument("--engine", metavar="NAME", help="AEAD engine of the suites relay and peers, as if the CPU had "
                        "no faster one (default: the fastest here)")
    parser.add_argument("--json", metavar="FILE", help="the document, too (-: to standard output)")
    parser.add_argument("--compare", metavar="OLD.json", help="with an earlier run's document")
    parser.add_argument("--tolerance", metavar="PERCENT", type=float, default=10, help="of --compare (10)")
    parser.add_argument("--from", dest="source", metavar="FILE", help="run nothing: take this document")
    parser.add_argument("--out", metavar="DIR", default=str(ROOT / "build" / "bench-results"), help="results folder")
    parser.add_argument("--build", metavar="DIR", default=str(ROOT / "build"), help="where the programs are")
    parser.add_argument("--no-plots", action="store_true")
    parser.add_argument("--list", action="store_true", help="the suites")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.suites if name not in SUITES]
    if unknown:
        parser.error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    if options.list:
        for name, suite in SUITES.items():
            print(f"{name:10} {suite.about}")
        return 0
    try:
        old = results.load(options.compare) if options.compare else None
        given = results.load(options.source) if options.source else None
    except (OSError, ValueError) as error:
        say(f"bench/run: {error}")
        return 2
    failed = {}
    if given:
        wanted = options.suites or SUITES
        document = given | {"results": [r for r in given["results"] if r["suite"] in wanted]}
    else:
        document, failed = run_all(options.suites or list(SUITES), options)
    shown = sys.stderr if options.json == "-" else sys.stdout
    if document["results"]:
        write(document, options)
        print(*tables(document, brief=True), sep="\n", file=shown)
    steal = document["machine"].get("steal_percent", 0)
    if steal > 2:
        say(f"the hypervisor gave {steal} % of the CPU time to others: mind the ranges")
    worse = 0
    if old and document["results"]:
        again = None if given else confirm(old, document, options)
        lines, worse = results.comparison(old, document, options.tolerance / 100, again)
        print(*lines, sep="\n", file=shown)
    for name, reason in failed.items():
        say(f"{name} failed: {reason}")
    return 1 if failed else 3 if worse else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
