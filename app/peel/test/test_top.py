# SPDX-License-Identifier: BSD-3-Clause
"""`peel top` in a real terminal, among a relay and a client with circuits through it. Usage: test_top.py PEEL"""

import json
import os
import re
import subprocess
import sys
import unittest

from folder import Folder

PEEL = None


class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, folder, cols, rows, command):
        self.socket = os.path.join(folder, "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(cols), "-y", str(rows), command)

    def tmux(self, *args):
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        environment.pop("TMUX", None)
        return subprocess.run(["tmux", "-u", "-S", self.socket, *args], check=True, capture_output=True, text=True, timeout=30,
                              env=environment).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p").split("\n")[:-1]

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, cols, rows):
        self.tmux("resize-window", "-x", str(cols), "-y", str(rows))

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, capture_output=True, timeout=30)


class Top(Folder):
    def setUp(self):
        super().setUp()
        subprocess.run([PEEL, "keygen", self.path("k")], check=True, stdout=subprocess.DEVNULL)

    def run_node(self, command, name, text):
        config = self.path(f"{name}.ini")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        process = self.spawn(PEEL, command, "-c", config)
        for line in process.stdout:
            if line.startswith("ready "):
                return process, line.split()[1]
        self.fail(f"{command} does not start")

    def relay(self, listen="127.0.0.1:0"):
        return self.run_node(
            "relay", "relay", f"[node]\nkey = {self.path('k')}\nmanagement = {self.path('relay.sock')}\n"
            f"[port]\nlisten = {listen}\n[workers]\nhugepages = no\n[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\n")

    def client(self, relay):
        """It has eight circuits of one hop, and pings through each of them."""
        return self.run_node(
            "client", "client", f"[node]\nmanagement = {self.path('client.sock')}\n[port]\nlisten = 127.0.0.1:0\n[discovery]\n"
            f"bootstrap = {relay}\n[workers]\nhugepages = no\n[socks]\nhops1 = 127.0.0.1:0\n")[0]

    def status(self, name="relay"):
        result = subprocess.run([PEEL, "status", "-s", self.path(f"{name}.sock")], capture_output=True, text=True, timeout=30,
                                check=True)
        return json.loads(result.stdout)

    def top(self, name, cols=80, rows=24, *options):
        terminal = Terminal(self.folder, cols, rows, f"{PEEL} top -s {self.path(name + '.sock')} {' '.join(options)}")
        self.addCleanup(terminal.close)
        return terminal

    def shows(self, terminal, *patterns):
        """The screen, once each of the patterns is in a line of it."""
        def look():
            screen = terminal.screen()
            return screen if all(any(re.search(p, line) for line in screen) for p in patterns) else None
        return self.until(look, story=lambda: "\n".join([f"{patterns} in", *terminal.screen()]))

    def with_client(self):
        relay, address = self.relay()
        client = self.client(address)
        self.until(lambda: self.status()["circuits"]["exits"] == 8)
        return relay, address, client

    def test_screens(self):
        _, address, _ = self.with_client()
        terminal = self.top("relay")
        screen = self.shows(terminal, "exits 8", r"tunnel 1\b", r"\d+ datagrams/s", "[▁▂▃▄▅▆▇█]", r"info: .*")
        self.assertEqual(len(screen), 24)
        status = self.status()
        self.assertRegex(screen[0], rf"^ peel {re.escape(status['version'])}  127\.0\.0\.1:\d+  up 00:\d\d:\d\d  relay exit_bt")
        self.assertIn(address, screen[0])
        self.assertRegex(screen[1], r"^in   \d+(\.\d+)? k?B/s")
        self.assertRegex(screen[4], r"^out  \d+(\.\d+)? k?B/s")
        self.assertRegex(screen[7], r"^circuits   exits 8  relays 0  rendezvous 0  unproved \d  pending 0  limit [\d,]+$")
        self.assertRegex(screen[8], r"^peers      tunnel 1  discovery \d  dht \d")
        self.assertRegex(screen[9], r"^memory     [\d.]+ MB  tables .*  buffers \d+ of [\d,]+  processors \d\.\d\d")
        self.assertRegex(screen[10], r"^workers core     load")
        self.assertRegex(screen[11], r"^    0   any  +\d+\.\d %")
        self.assertRegex(screen[23], r"^1 overview 2 workers 3 drops 4 peers 5 own 6 log  arrows  p pause  \+- 1s  q quit")
        # Every line of the figures fits; only lines of the log may be cut.
        self.assertTrue(all(len(line) <= 80 for line in screen))

        terminal.resize(132, 43)
        screen = self.shows(terminal, "exits 8", "^1 overview")
        self.until(lambda: len(terminal.screen()) == 43 and terminal.screen()[42].startswith("1 overview"))
        self.until(lambda: max(len(line) for line in terminal.screen()[1:7]) > 100, story=lambda: "graphs use the width")
        terminal.resize(80, 24)
        self.until(lambda: terminal.screen()[23].startswith("1 overview"))

        terminal.press("2")
        self.shows(terminal, r"rx \d+%.*classify \d+%.*tx \d+%")
        terminal.press("3")
        self.shows(terminal, "^dropped, by reason")
        terminal.press("4")
        self.shows(terminal, "^peers: 1 ", r"^[0-9a-f]{12}   127\.0\.0\.1:\d+ +\d+ s  ")
        terminal.press("5")
        self.shows(terminal, "builds no circuits of its own")
        terminal.press("6")
        self.shows(terminal, "info: peel .*: relay, 1 worker")
        terminal.press("p")
        self.shows(terminal, " paused ?$")
        terminal.press("p", "+", "Tab")
        self.shows(terminal, "exits 8", r"\+- 2s")
        terminal.press("q")
        self.until(lambda: not self.alive(terminal))

    def alive(self, terminal):
        return subprocess.run(["tmux", "-S", terminal.socket, "has-session"], check=False, capture_output=True).returncode == 0

    def test_own_circuits(self):
        self.with_client()
        self.until(lambda: self.status("client")["own_circuits"]["ready"] == 8)
        terminal = self.top("client")
        self.shows(terminal, r"^own        ready 8  extending 0  closing 0  services 0")
        terminal.press("5")
        screen = self.shows(terminal, r"^\d+ +ready +data +1/1 ")
        self.assertEqual(sum("ready     data" in line for line in screen), 8)

    def test_small_and_plain(self):
        self.relay()
        terminal = self.top("relay", 60, 12, "--ascii")
        screen = self.shows(terminal, "^circuits", "^1 overview")
        self.assertTrue(all(line.isascii() for line in screen))
        terminal.resize(30, 5)
        self.shows(terminal, "^needs 40 x 8")

    def test_node_goes_and_comes(self):
        relay, address = self.relay()
        terminal = self.top("relay")
        self.shows(terminal, "^circuits ", " peel .*" + re.escape(address))
        relay.terminate()
        relay.wait(30)
        self.shows(terminal, "the node does not answer: .*; asked again every 1 s", "^circuits ")
        _, address = self.relay()
        self.shows(terminal, " peel .*" + re.escape(address) + ".* up 00:00:", "^1 overview")

    def test_for_scripts(self):
        self.with_client()
        command = [PEEL, "top", "-s", self.path("relay.sock")]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "LINES": "30", "COLUMNS": "90"}
        text = subprocess.run([*command, "--once"], capture_output=True, text=True, timeout=60, check=True,
                              env=environment).stdout
        self.assertIn("exits 8  relays 0", text)
        self.assertLessEqual(max(len(line) for line in text.splitlines()), 90)
        self.assertLessEqual(len(text.splitlines()), 30)
        answer = json.loads(subprocess.run([*command, "--json", "--interval", "2"], capture_output=True, text=True, timeout=60,
                                           check=True).stdout)
        self.assertGreater(answer["seconds"], 1.5)
        self.assertEqual(answer["status"]["circuits"]["exits"], 8)
        self.assertEqual(len(answer["peers"]), 1)
        self.assertEqual(set(answer["workers"][0]["stages"]) >= {"rx", "open", "tx"}, True)
        self.assertAlmostEqual(sum(answer["workers"][0]["stages"].values()), 1, places=3)
        self.assertTrue(any("info: " in line for line in answer["log"]))
        plain = subprocess.run([*command, "--once"], capture_output=True, timeout=60, check=True,
                               env={**os.environ, "LC_ALL": "C"}).stdout
        self.assertTrue(plain.isascii())

    def test_errors(self):
        missing = [PEEL, "top", "-s", self.path("nothing")]
        result = subprocess.run([*missing, "--once"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("No such file", result.stderr)
        result = subprocess.run(missing, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("needs a terminal", result.stderr)
        result = subprocess.run([*missing, "--interval", "0"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main()
