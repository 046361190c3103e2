# SPDX-License-Identifier: BSD-3-Clause
"""The console page in a real browser, against what the status says. Usage: test_console.py PEEL"""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import unittest
from html.parser import HTMLParser

from folder import Folder, free_port

PEEL = None


class Texts(HTMLParser):
    """The text of each element that has an id."""

    def __init__(self, html):
        super().__init__()
        self.open, self.texts = [], {}
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br"):
            self.open.append(dict(attrs).get("id"))

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        for name in self.open:
            if name:
                self.texts[name] = self.texts.get(name, "") + data


class Console(Folder):
    def setUp(self):
        super().setUp()
        self.port = free_port()

    def start(self, extra=""):
        key, config = os.path.join(self.folder, "key"), os.path.join(self.folder, "relay.ini")
        subprocess.run([PEEL, "keygen", key], check=True, stdout=subprocess.DEVNULL)
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {key}\n[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap =\n"
                       f"[workers]\nhugepages = no\n[metrics]\nlisten = 127.0.0.1:{self.port}\n{extra}")
        process = self.spawn(PEEL, "relay", "-c", config)
        self.assertRegex(process.stdout.readline(), "^ready ")

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def show(self, path="/", *options):
        """What a browser makes of the page after some seconds, and what it complains about."""
        browser = shutil.which("chromium")
        if browser is None:
            self.skipTest("no chromium")
        shown = subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--enable-logging=stderr", f"--user-data-dir={self.folder}/browser", "--virtual-time-budget=7000",
             "--dump-dom", *options, f"http://127.0.0.1:{self.port}{path}"],
            capture_output=True, text=True, timeout=100, check=True)
        self.assertEqual([line for line in shown.stderr.splitlines() if "CONSOLE" in line and "favicon" not in line], [])
        return Texts(shown.stdout).texts

    def test_shows_the_status(self):
        self.start()
        texts = self.show()
        status = json.loads(self.get("/status")[1])
        self.assertEqual(texts["state"], "live")
        self.assertEqual(texts["version"], f"{status['version']}, {status['driver']}, {status['engine']}")
        self.assertEqual(texts["tile-address"], status["address"])
        self.assertEqual(texts["tile-public"], "not known yet")
        self.assertEqual(texts["tile-flags"], ", ".join(status["flags"]))
        self.assertEqual(texts["tile-relayed"], "0")
        self.assertEqual(texts["tile-buffers"].split()[-1], str(status["memory"]["buffers"]))
        self.assertRegex(texts["tile-uptime"], r"^\d\d:\d\d:\d\d$")
        self.assertIn("in 0 bit/s", texts["traffic-legend"])
        self.assertRegex(texts["workers"], r"load.*0any\d+\.\d %")
        for name in ("relays", "exits", "circuits", "swarms", "peers"):
            self.assertTrue(texts[name].endswith("none"), texts[name])

    def test_key(self):
        """The page itself tells nothing, so it needs no key; what it shows does."""
        self.start("key = s3cret\n")
        answer, text = self.get("/status")
        self.assertEqual((answer.status, self.get("/")[0].status), (401, 200))
        self.assertEqual(json.loads(text), {"error": "Unauthorized access"})
        self.assertEqual(self.show("/#s3cret")["state"], "live")

    def test_nothing_from_elsewhere(self):
        self.start()
        for path in ("/", "/console.js", "/console.css"):
            answer, text = self.get(path)
            self.assertEqual(answer.status, 200)
            policy = answer.headers["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'none'; "), policy)
            self.assertNotIn("unsafe", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertEqual([url for url in re.findall(r"https?://[^\s\"']+", text) if "www.w3.org/2000/svg" not in url],
                             [])
            self.assertNotRegex(text, r"innerHTML|eval\(|style=|onclick=")


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=1)
