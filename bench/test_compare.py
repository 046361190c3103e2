# SPDX-License-Identifier: BSD-3-Clause
"""Tests of what bench/run does around the programs: schema, comparison, table, drawings, exit codes."""

import contextlib
import copy
import io
import json
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

import driver
import peel_endpoint
import plots
import results
from suites import SUITES, Plot, Suite


def result(median=100.0, low=None, high=None, **other):
    return {"suite": "s", "case": "c", "params": {"bytes": 64}, "unit": "cycles/cell", "median": median,
            "min": median * 0.98 if low is None else low, "max": median * 1.02 if high is None else high,
            "vs": {"other": 0.5}} | other


def document(*some, **facts):
    return {"machine": {"cpu": "a cpu", "quick": False} | facts, "results": list(some)}


class Schema(unittest.TestCase):
    def test_valid(self):
        self.assertEqual(results.problems(document(result(), result(case="d"))), [])
        self.assertEqual(results.problems({"results": [result()]}, machine=False), [])

    def test_document_shape(self):
        for bad in ([], {}, {"results": [result()]}, document(), document(result()) | {"more": 1},
                    document(result()) | {"machine": 3}):
            self.assertTrue(results.problems(bad), bad)
        self.assertTrue(results.problems(document(result()), machine=False))

    def test_result_fields(self):
        for change in ({"median": "1"}, {"min": 101.0}, {"max": 99.0}, {"median": float("nan")}, {"unit": "parsecs"},
                       {"params": [1]}, {"params": {"bytes": [1]}}, {"vs": {"other": 0}}, {"vs": {"other": "2"}},
                       {"suite": ""}, {"case": 1}, {"min": True}, {"more": 1},
                       {"median": 0.0, "min": 0.0, "max": 0.0}, {"min": -1.0}):
            self.assertTrue(results.problems(document(result() | change)), change)
        missing = result()
        del missing["vs"]
        self.assertTrue(results.problems(document(missing)))

    def test_share_may_be_zero(self):
        self.assertEqual(results.problems(document(result(0.0, unit="% lost"))), [])

    def test_names_are_unique(self):
        self.assertTrue(results.problems(document(result(), result(90.0))))
        self.assertEqual(results.problems(document(result(), result(params={"bytes": 65}))), [])

    def test_direction_of_units(self):
        for unit, more in (("cycles/cell", False), ("ns", False), ("bytes/circuit", False), ("cells/s", True),
                           ("cells/CPU-s", True), ("%", True), ("% lost", False), ("us/datagram", False), ("apples", None)):
            self.assertIs(results.more_is_better(unit), more, unit)


class Compare(unittest.TestCase):
    def verdict(self, old, new, tolerance=0.1):
        (change,), gone, fresh = results.compare(document(old), document(new), tolerance)
        self.assertEqual((gone, fresh), ([], []))
        return "worse" if change.worse else "better" if change.better else "same"

    def test_cost_went_up(self):
        self.assertEqual(self.verdict(result(100.0), result(130.0)), "worse")
        self.assertEqual(self.verdict(result(130.0), result(100.0)), "better")

    def test_rate_went_down(self):
        self.assertEqual(self.verdict(result(100.0, unit="cells/s"), result(70.0, unit="cells/s")), "worse")
        self.assertEqual(self.verdict(result(70.0, unit="cells/s"), result(100.0, unit="cells/s")), "better")

    def test_small_change(self):
        self.assertEqual(self.verdict(result(100.0), result(108.0)), "same")
        self.assertEqual(self.verdict(result(100.0), result(108.0), 0.02), "worse")

    def test_ranges_overlap(self):
        self.assertEqual(self.verdict(result(100.0, 95.0, 131.0), result(130.0)), "same")
        self.assertEqual(self.verdict(result(100.0), result(130.0, 101.0, 140.0)), "same")

    def test_noisy_rounds_need_more(self):
        # Apart, but each run alone moves by a third.
        self.assertEqual(self.verdict(result(100.0, 70.0, 130.0), result(140.0, 131.0, 210.0)), "same")
        self.assertEqual(self.verdict(result(100.0, 70.0, 130.0), result(240.0, 200.0, 280.0)), "worse")

    def test_share_from_and_to_zero(self):
        lost, none = result(5.0, unit="% lost"), result(0.0, unit="% lost")
        self.assertEqual(self.verdict(none, lost), "worse")
        self.assertEqual(self.verdict(lost, none), "better")
        self.assertEqual(self.verdict(none, none), "same")
        self.assertEqual(self.verdict(result(5.0, unit="%"), result(0.0, unit="%")), "worse")
        for old, new in ((none, lost), (lost, none), (none, none)):
            self.assertTrue(results.comparison(document(old), document(new))[0])

    def test_matching(self):
        old = document(result(), result(case="gone"), result(suite="not run"))
        new = document(result(), result(case="new"), result(params={"bytes": 65}))
        changes, gone, fresh = results.compare(old, new)
        self.assertEqual(len(changes), 1)
        self.assertEqual([r["case"] for r in gone], ["gone"])
        self.assertEqual(len(fresh), 2)

    def test_worse_once_is_noise(self):
        old, new = document(result(), result(case="d")), document(result(200.0), result(200.0, case="d"))
        again = document(result(), result(200.0, case="d"))
        self.assertEqual(results.comparison(old, new)[1], 2)
        lines, worse = results.comparison(old, new, again=again)
        self.assertEqual(worse, 1)
        self.assertEqual(sum(line.startswith("WORSE") for line in lines), 1)
        self.assertEqual(results.comparison(old, new, again=document())[1], 0)

    def test_parameter_order_does_not_matter(self):
        old, new = result(params={"a": 1, "b": 2}), result(params={"b": 2, "a": 1})
        self.assertEqual(self.verdict(old, new), "same")

    def test_another_machine_is_told(self):
        lines, worse = results.comparison(document(result()), document(result(), cpu="another"))
        self.assertIn("do not trust", lines[0])
        self.assertEqual(worse, 0)


class Output(unittest.TestCase):
    def test_numbers(self):
        for value, text in ((0, "0"), (1.0, "1.000"), (12.3456, "12.35"), (1234.5, "1,234"), (1234567, "1,234,567"),
                            (0.01234, "0.01234")):
            self.assertEqual(results.number(value), text)

    def test_table(self):
        head, row = results.table([result()])
        self.assertLess(head.index("ratios"), head.index("median"))
        self.assertIn("0.5000 x other", row)

    def test_lines_and_bars(self):
        some = [result(params={"bytes": n, "kind": k}) for n in (64, 1400) for k in ("a_b", "c")]
        text = plots.script(some, Plot("n", "t", "bytes", ("kind",), log_x=True), pathlib.Path("/x/y_z.svg"))
        self.assertEqual(text.count("<< EOD"), 2)
        self.assertIn("/x/y_z.svg", text)
        self.assertIn("64 100.0 98.0 102.0", text)
        text = plots.script(some, Plot("n", "t", "kind", ("bytes",), bars=True), pathlib.Path("y.svg"))
        self.assertIn("histogram", text)

    def test_nothing_to_draw(self):
        self.assertIsNone(plots.script([result()], Plot("n", "t", "bytes"), pathlib.Path("y.svg")))
        mixed = [result(), result(params={"bytes": 65}, unit="ns")]
        self.assertIsNone(plots.script(mixed, Plot("n", "t", "bytes"), pathlib.Path("y.svg")))


# A suite's program: writes what it is told in place of results.
PROGRAM = """
import sys
what, file = sys.argv[1], sys.argv[sys.argv.index("--json") + 1]
if what == "skip":
    print("no such hardware", file=sys.stderr)
    sys.exit(77)
if what == "fail":
    sys.exit(5)
if what == "hang":
    import time
    time.sleep(60)
open(file, "w").write(what)
"""


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "program.py").write_text(PROGRAM, encoding="utf-8")

    def run_suite(self, what, *options, **fields):
        if not isinstance(what, str):
            what = json.dumps(what)
        command = (sys.executable, str(self.folder / "program.py"), what.replace("{", "{{").replace("}", "}}"))
        suite = Suite("a suite", command, quick_seconds=fields.pop("seconds", 30))
        quiet = io.StringIO()
        with mock.patch.dict(SUITES, {"s": suite}, clear=True), contextlib.redirect_stderr(quiet), \
                contextlib.redirect_stdout(quiet):
            code = driver.main(["--quick", "--no-plots", "--out", str(self.folder / "out"), *options])
        return code, quiet.getvalue()

    def test_results(self):
        code, text = self.run_suite({"results": [result()]}, "--json", str(self.folder / "mine.json"))
        self.assertEqual(code, 0, text)
        for name in ("mine.json", "out/results.json"):
            written = results.load(self.folder / name)
            self.assertEqual(written["results"], [result()])
            for fact in ("cpu", "flags", "cores", "kernel", "hugepages", "steal_percent", "load_before", "date"):
                self.assertIn(fact, written["machine"])
        self.assertIn("cycles/cell", (self.folder / "out" / "table.txt").read_text(encoding="utf-8"))

    def test_failures(self):
        invalid = result(unit="parsecs")
        for what in ("fail", "no json", {"results": []}, {"results": [invalid]}, {"results": [result(suite="t")]}):
            code, text = self.run_suite(what)
            self.assertEqual(code, 1, what)
            self.assertIn("FAILED", text)

    def test_hanging_program_is_ended(self):
        code, text = self.run_suite("hang", seconds=1)
        self.assertEqual(code, 1)
        self.assertIn("not done after 1 s", text)

    def test_skipped(self):
        code, text = self.run_suite("skip")
        self.assertEqual(code, 0)
        self.assertIn("skipped: no such hardware", text)

    def test_regression_has_its_exit_code(self):
        old = self.folder / "old.json"
        slower = copy.deepcopy(result(150.0))
        old.write_text(json.dumps(document(result(), quick=True)), encoding="utf-8")
        self.assertEqual(self.run_suite({"results": [result()]}, "--compare", str(old))[0], 0)
        code, text = self.run_suite({"results": [slower]}, "--compare", str(old))
        self.assertEqual(code, 3)
        self.assertIn("1 worse beyond noise", text)
        self.assertEqual(text.count("[1/1] s:"), 2)  # and again, to be sure

    def test_unreadable_comparison(self):
        self.assertEqual(self.run_suite({"results": [result()]}, "--compare", str(self.folder / "none.json"))[0], 2)

    def test_unknown_suite(self):
        with self.assertRaises(SystemExit):
            self.run_suite("skip", "nonsense")


class Endpoint(unittest.TestCase):
    """py-ipv8 over Peel, by a package that may not be built."""

    KINDS = ["peel", peel_endpoint.KIND]

    def usable(self, build):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        if build:
            package = pathlib.Path(folder, "peel_ipv8")
            package.mkdir()
            for name in ("__init__.py", "_peel.py"):
                (package / name).touch()
        with mock.patch.object(sys, "path", sys.path[:]), mock.patch.dict(os.environ, clear=False), \
                mock.patch.dict(sys.modules), contextlib.redirect_stderr(io.StringIO()) as said:
            return peel_endpoint.usable(self.KINDS, lambda kind: [kind], folder), said.getvalue()

    def test_built(self):
        self.assertEqual(self.usable(True), (self.KINDS, ""))

    def test_not_built(self):
        kinds, said = self.usable(False)
        self.assertEqual(kinds, ["peel"])
        self.assertIn("ninja -C build peel_ipv8", said)


if __name__ == "__main__":
    unittest.main()
