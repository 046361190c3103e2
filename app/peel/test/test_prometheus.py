# SPDX-License-Identifier: BSD-3-Clause
"""A real Prometheus and a running relay: scrapes, queries, and what config/prometheus has for operators.
Usage: test_prometheus.py PEEL CONFIG_FOLDER"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from folder import free_port, main

PEEL = FOLDER = None
# Nothing happens at this relay that these would count: no circuits, names, drops or second kind of port.
MAY_BE_EMPTY = re.compile(r"> 0|peel_worker_cells|exit_endpoints_open|handshake_seconds_bucket")


def promtool(*args):
    return subprocess.run(["promtool", *args], capture_output=True, text=True, check=False, timeout=60)


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("promtool"), "no Prometheus")
class Files(unittest.TestCase):
    def test_alerts(self):
        result = promtool("test", "rules", os.path.join(FOLDER, "alerts_test.yml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("SUCCESS", result.stdout)

    def test_scrape(self):
        result = promtool("check", "config", os.path.join(FOLDER, "scrape.yml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


@unittest.skipUnless(shutil.which("prometheus") and shutil.which("promtool"), "no Prometheus")
class Scraped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="peel-prometheus-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.metrics, cls.port = free_port(), free_port()
        key, config = cls.path("key"), cls.path("relay.ini")
        subprocess.run([PEEL, "keygen", key], check=True, stdout=subprocess.DEVNULL)
        cls.write("relay.ini", f"[node]\nkey = {key}\n[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap =\n"
                               f"[workers]\nhugepages = no\n[accounting]\nlimit = 1G\n"
                               f"[metrics]\nlisten = 127.0.0.1:{cls.metrics}\nkey = k3y\n")
        cls.write("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [os.path.join(os.path.abspath(FOLDER), "alerts.yml")],
            "scrape_configs": [{"job_name": "peel", "authorization": {"credentials": "k3y"},
                                "static_configs": [{"targets": [f"127.0.0.1:{cls.metrics}"]}]}]}))
        cls.relay = cls.run_in_background([PEEL, "relay", "-c", config])
        cls.run_in_background(["prometheus", "--config.file", cls.path("prometheus.yml"), "--log.level=error",
                               "--storage.tsdb.path", cls.path("data"), f"--web.listen-address=127.0.0.1:{cls.port}"])
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                # Rates need a few scrapes.
                if any(float(r["value"][1]) > 4 for r in cls.query("count_over_time(up[1m])")):
                    return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.2)
        raise TimeoutError("Prometheus has not scraped the relay")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    @classmethod
    def write(cls, name, text):
        with open(cls.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    @classmethod
    def run_in_background(cls, command):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(process.wait)
        cls.addClassCleanup(process.kill)
        return process

    @classmethod
    def ask(cls, path, **arguments):
        url = f"http://127.0.0.1:{cls.port}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    @classmethod
    def query(cls, expression):
        """The result; an expression that does not fit is an HTTPError."""
        return cls.ask("query", query=expression)["data"]["result"]

    def one(self, expression):
        result = self.query(expression)
        self.assertEqual(len(result), 1, expression)
        return float(result[0]["value"][1])

    def test_queries(self):
        self.assertEqual(self.one('up{job="peel"}'), 1)
        self.assertEqual(self.one('sum(peel_circuits)'), 0)
        self.assertGreater(self.one("peel_sessions_max"), 100)
        self.assertGreater(self.one("peel_tick_delay_seconds_count"), 0)
        load = self.one("rate(peel_worker_busy_seconds_total[1m])")
        self.assertTrue(0 <= load < 0.5, load)
        self.assertLess(self.one("scrape_duration_seconds"), 1)
        # It took the newer format, in which counters are told apart by their families.
        targets = self.ask("targets/metadata", metric="peel_rx_bytes")["data"]
        self.assertEqual([(t["type"], t["unit"]) for t in targets], [("counter", "bytes")])

    def test_dashboard(self):
        """Every expression is executed, and finds something."""
        with open(os.path.join(FOLDER, "dashboard.json"), encoding="utf-8") as file:
            panels = json.load(file)["panels"]
        expressions = [target["expr"] for panel in panels for target in panel["targets"]]
        self.assertGreater(len(expressions), 30)
        for expression in expressions:
            concrete = expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
            self.assertNotIn("$", concrete)
            result = self.query(concrete)
            if not MAY_BE_EMPTY.search(expression):
                self.assertGreater(len(result), 0, expression)

    def test_every_name_exists(self):
        """What alerts and dashboard name is what the relay tells."""
        told = set(self.ask("label/__name__/values")["data"])
        for name in ("alerts.yml", "dashboard.json"):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
                named = set(re.findall(r"\b(?:peel|process)_\w+[a-z]\b", file.read()))
            self.assertGreater(len(named), 10)
            # Of the other port driver.
            self.assertEqual(named - told - {"peel_port_exit_endpoints_open", "peel_stats"}, set())

    def test_alerts(self):
        """They are evaluated, and a quiet relay fires none; it has no public address, so one waits for its time."""
        groups = self.ask("rules")["data"]["groups"]
        rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
        self.assertGreater(len(rules), 10)
        for rule in rules.values():
            self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""), rule["name"])
            self.assertEqual(rule["state"], "pending" if rule["name"] == "PeelNoPublicAddress" else "inactive",
                             rule["name"])


if __name__ == "__main__":
    PEEL, FOLDER = sys.argv.pop(1), sys.argv.pop(1)
    main()
