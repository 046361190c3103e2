# SPDX-License-Identifier: BSD-3-Clause
"""What `peel doctor` finds: at real relays that lack something, and in the status of a real relay with one thing changed.
Usage: test_doctor.py PEEL"""

import concurrent.futures
import copy
import json
import os
import socket
import subprocess
import sys
import threading
import time
import unittest

from folder import Folder

PEEL = None
# What is no figure of a status: the machine's clock. test_findings.c has it.
ELSEWHERE = {"clock_jumped", "clock_not_synchronised"}
# What may be found whatever the status says: the engines are measured anew.
OF_THE_MACHINE = ELSEWHERE | {"slow_engine"}


class Answers:
    """A management socket that answers one status after the other."""

    def __init__(self, path, *statuses):
        self.statuses = [json.dumps(status).encode() for status in statuses]
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        self.sock.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for status in self.statuses:
            connection, _ = self.sock.accept()
            with connection:
                connection.recv(128)
                connection.sendall(status + b"\n")
        self.sock.close()


class Doctor(Folder):
    def relay(self, rest, name="relay"):
        """Start a relay; its process and its address."""
        subprocess.run([PEEL, "keygen", self.path(name + ".key")], check=True, stdout=subprocess.DEVNULL)
        with open(self.path(name + ".ini"), "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {self.path(name + '.key')}\nmanagement = {self.path(name + '.sock')}\n[port]\n"
                       f"listen = 127.0.0.1:0\n[workers]\nhugepages = no\n{rest}")
        process = self.spawn(PEEL, "relay", "-c", self.path(name + ".ini"))
        line = process.stdout.readline()
        self.assertTrue(line.startswith("ready "), line)
        return process, line.split()[1]

    def doctor(self, name, *options):
        result = subprocess.run([PEEL, "doctor", "-s", self.path(name + ".sock"), "--json", *options], capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual(result.stderr, "")
        findings = {one["name"]: one for one in json.loads(result.stdout)["findings"]}
        self.assertEqual(result.returncode, int(any(one["severity"] == "problem" for one in findings.values())))
        return findings

    def status(self, name="relay"):
        result = subprocess.run([PEEL, "status", "-s", self.path(name + ".sock")], capture_output=True, text=True, check=True)
        return json.loads(result.stdout)


class RealRelays(Doctor):
    def test_no_bootstrap(self):
        self.relay("[discovery]\nbootstrap =\n")
        found = self.doctor("relay", "--seconds", "1")
        self.assertIn("knows nobody", found["no_bootstrap"]["what"])
        self.assertNotIn("no_peers", found)

    def test_bad_resolver_and_server(self):
        """One server's name cannot be resolved, the other one does not answer."""
        with socket.socket(type=socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
            self.relay(f"[discovery]\nbootstrap = server.test:1 127.0.0.1:{port}\n[exit]\ndns_servers = 127.0.0.1:{port}\n"
                       "dns_timeout = 0.5\n")
            while self.status()["uptime_ms"] < 20000:
                time.sleep(0.5)
            found = self.doctor("relay", "--seconds", "1")
        self.assertIn("1 of 2 bootstrap servers", found["bootstrap_unresolved"]["what"])
        self.assertIn("Nobody has answered", found["no_peers"]["what"])

    def test_full_and_spent(self):
        """A client that wants more circuits than there is room for, faster than allowed."""
        _, address = self.relay("[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\nmax_joined_circuits = 2\n"
                                "create_rate_per_source = 1\n")
        with open(self.path("client.ini"), "w", encoding="utf-8") as file:
            file.write(f"[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap = {address}\n[workers]\nhugepages = no\n"
                       "[client]\nmax_circuits = 64\n[tunnel]\nnext_hop_timeout = 1\n[socks]\nhops1 = 127.0.0.1:0\n")
        client = subprocess.Popen([PEEL, "client", "-c", self.path("client.ini")], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        for end in (client.wait, client.kill):
            self.addCleanup(end)
        wanted, found = {"circuits_full", "handshakes_spent"}, {}
        for _ in range(15):
            found.update(self.doctor("relay", "--seconds", "2"))
            if wanted <= set(found):
                break
        self.assertLessEqual(wanted, set(found))
        self.assertIn("All 2 places", found["circuits_full"]["what"])

    def test_no_answer(self):
        result = subprocess.run([PEEL, "doctor", "-s", self.path("none"), "--json"], capture_output=True, text=True,
                                check=False)
        self.assertEqual((result.returncode, result.stderr), (1, ""))
        self.assertEqual([one["name"] for one in json.loads(result.stdout)["findings"]], ["no_answer"])

    def test_wrong_arguments(self):
        for args, word in (([], "-c FILE"), (["-s", "x", "--seconds", "0"], "3600"), (["-s", "x", "y"], '"y"')):
            result = subprocess.run([PEEL, "doctor", *args], capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stdout), (2, ""), args)
            self.assertIn(word, result.stderr)

    def test_text(self):
        self.relay("[discovery]\nbootstrap =\n")
        result = subprocess.run([PEEL, "doctor", "-c", self.path("relay.ini"), "--seconds", "1"], capture_output=True,
                                text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("problem: The node has no bootstrap servers and knows nobody.\n\tSet `bootstrap", result.stdout)


NEW = object()  # the path is not there yet: another driver's
# finding: what is different in the second status
CHANGES = {
    "address_lost": {"address_lost": True},
    "no_bootstrap": {"bootstrap.servers": 0, "peers.tunnel": 0},
    "bootstrap_unresolved": {"bootstrap.unresolved": 1},
    "no_peers": {"peers.tunnel": 0},
    "no_public_address": {"public_address": None},
    "port_unreachable": {"uptime_ms": 700000, "counters.intro_requests": 0, "counters.create_accepted": 0},
    "behind_nat": {"public_address": "203.0.113.77:8090"},
    "dht_empty": {"dht.nodes_ipv4": 0, "dht.nodes_ipv6": 0},
    "circuits_full": {"circuits.exits": 30, "circuits.relays": 35, "circuits.unproved": 0},
    "sessions_full": {"tables.sessions": 10 ** 7},
    "handshakes_spent": {"counters.create_refused_rate": 9},
    "bandwidth_spent": {"counters.create_refused_bandwidth": 9},
    "worker_busy": {"workers.0.busy_seconds": 10 ** 6},
    "control_late": {"durations.tick_delay.count": 10 ** 6},
    "buffers_short": {"memory.buffers_in_use": 10 ** 7},
    "no_buffer": {"counters.drops.drop_no_buffer": 2},
    "control_full": {"counters.drops.drop_control_full": 2},
    "own_full": {"counters.drops.drop_own_full": 2},
    "kernel_drops": {"port.rx_kernel_drops": 10 ** 6},
    "send_refused": {"counters.drops.drop_tx": 10 ** 6},
    "device_gone": {"port.device_present": (NEW, 0)},
    "link_down": {"port.link_up": (NEW, 0)},
    "device_missed": {"port.device_rx_missed": (NEW, 10 ** 6)},
    "gateway_silent": {"counters.drops.drop_neighbour": 10 ** 6},
    "bad_frames": {"counters.drops.drop_frame": 10 ** 6},
    "no_coalescing": {"port.receive_coalescing": 0},
    "no_segmentation": {"port.send_segmentation": 0},
    "resolver_failing": {"counters.name_lookups": 10, "counters.name_failures": 6},
    "no_files": {"counters.no_files": 1},
    "exit_sockets_full": {"port.exit_endpoints": 4096},
    "exit_queue_full": {"counters.drops.drop_exit_queue": 10 ** 6},
    "exit_closed": {"counters.drops.drop_exit_open": 10 ** 6},
    "circuit_packets": {"counters.drops.drop_circuit_packets": 10 ** 6},
    "circuit_destinations": {"counters.drops.drop_circuit_destinations": 10 ** 6},
    "slow_engine": {"engine": "none"},
    "files_open": {"privileges.files": "open (no landlock)"},
    "calls_open": {"privileges.system_calls": "open (no seccomp)"},
    "other_version": {"version": "0.0"},
    "draining": {"drain": {"circuits": 3, "left_ms": 5}},
}


def change(status, path, value):
    *way, last = path.split(".")
    for name in way:
        status = status[int(name)] if isinstance(status, list) else status[name]
    new = isinstance(value, tuple) and value[0] is NEW
    if not new and last not in status:
        raise KeyError(path)
    status[last] = value[1] if new else value


class Table(Doctor):
    """Every row of the table is provoked, and by that alone."""

    @classmethod
    def setUpClass(cls):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "..", "advice", "findings.c"), encoding="utf-8") as file:
            rows = [line.split('"')[1] for line in file if line.startswith('\t{"')]
        cls.names = set(rows)

    def test_all_rows_are_here(self):
        self.assertEqual(self.names, set(CHANGES) | ELSEWHERE)

    def healthy(self):
        """The status of a relay that has met another one, made to look as if it had done so for a while, on a machine that
        has all it could use."""
        _, address = self.relay("[discovery]\nbootstrap =\n", "other")
        self.relay(f"[discovery]\nbootstrap = {address}\n")
        end = time.monotonic() + 30
        while self.status()["peers"]["tunnel"] == 0:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.2)
        status = self.status()
        status["uptime_ms"], status["public_address"] = 30000, "127.0.0.1:1"
        status["dht"]["nodes_ipv4"] = status["counters"]["intro_requests"] = 1
        status["port"]["receive_coalescing"] = status["port"]["send_segmentation"] = 1
        status["privileges"].update(files="landlock", system_calls="seccomp")
        return status

    def found(self, name, before, now):
        Answers(self.path(name + ".sock"), before, now)
        return self.doctor(name, "--seconds", "1")

    def test_each(self):
        healthy = self.healthy()
        usual = set(self.found("healthy", healthy, healthy)) - OF_THE_MACHINE
        self.assertEqual(usual, set())

        def provoke(name):
            now = copy.deepcopy(healthy)
            for path, value in CHANGES[name].items():
                change(now, path, value)
            return name, self.found(name, healthy, now)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for name, found in pool.map(provoke, CHANGES):
                with self.subTest(name):
                    self.assertIn(name, found)
                    self.assertEqual(set(found) - OF_THE_MACHINE - {name}, set())
                    for text in (found[name]["what"], found[name]["remedy"]):
                        self.assertNotIn("{}", text)
                        self.assertTrue(text.endswith("."), text)


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=2)
