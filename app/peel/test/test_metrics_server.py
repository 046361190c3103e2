# SPDX-License-Identifier: BSD-3-Clause
"""HTTP of a running relay: what it tells, to whom, and who can get in its way. Usage: test_metrics_server.py PEEL"""

import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

from folder import Folder, free_port

PEEL = None
ARENA = 1 << 26  # addresses that glibc reserves for a thread at its first allocation


def virtual_bytes(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")


class Server(Folder):
    def setUp(self):
        super().setUp()
        self.port = free_port()

    def start(self, address="127.0.0.1", extra=""):
        key, config = os.path.join(self.folder, "key"), os.path.join(self.folder, "relay.ini")
        if not os.path.exists(key):
            subprocess.run([PEEL, "keygen", key], check=True, stdout=subprocess.DEVNULL)
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {key}\n[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap =\n"
                       f"[workers]\nhugepages = no\n[metrics]\nlisten = {address}:{self.port}\n{extra}")
        process = self.spawn(PEEL, "relay", "-c", config, stderr=subprocess.PIPE)
        return process

    def ready(self, process):
        self.assertRegex(process.stdout.readline(), r"^ready ")
        return process

    def get(self, path="/metrics", method="GET", address="127.0.0.1", **headers):
        connection = http.client.HTTPConnection(address, self.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def raw(self, request):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as sock:
            sock.sendall(request)
            data = b""
            while part := sock.recv(65536):
                data += part
            return data

    def test_metrics(self):
        process = self.ready(self.start())
        before = virtual_bytes(process)
        answer, text = self.get()
        after = virtual_bytes(process)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn("\npeel_circuits{kind=\"exit\"} 0\n", text)
        self.assertIn("\npeel_drops_total{reason=\"auth\"} 0\n", text)
        # The process, as the system sees it.
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
        self.assertLessEqual(abs(float(values["process_open_fds"]) - files), 1)
        # Its threads have just begun, and any of them may get its arena meanwhile: glibc maps two, and keeps one.
        told = float(values["process_virtual_memory_bytes"])
        self.assertGreaterEqual(told, before - ARENA)
        self.assertLessEqual(told, after + ARENA)
        self.assertLess(abs(float(values["process_start_time_seconds"]) - time.time()), 30)
        self.assertGreater(float(values["process_max_fds"]), 100)
        # It agrees with the status.
        process.send_signal(signal.SIGUSR1)
        status = json.loads(process.stdout.readline())
        self.assertEqual(float(values["peel_buffers"]), status["memory"]["buffers"])
        answer, text = self.get(Accept="application/openmetrics-text; version=1.0.0")
        self.assertIn("application/openmetrics-text", answer.headers["Content-Type"])
        self.assertTrue(text.endswith("\n# EOF\n"))
        answer, text = self.get(method="HEAD")
        self.assertEqual((answer.status, text), (200, ""))
        self.assertGreater(int(answer.headers["Content-Length"]), 1000)
        self.assertEqual(self.get("/metric")[0].status, 404)
        process.terminate()
        self.assertEqual(process.wait(10), 0)

    def test_promtool(self):
        if shutil.which("promtool") is None:
            self.skipTest("no promtool")
        self.ready(self.start())
        checked = subprocess.run(["promtool", "check", "metrics"], input=self.get()[1], capture_output=True, text=True,
                                 check=False)
        self.assertEqual((checked.returncode, checked.stderr, checked.stdout), (0, "", ""))

    def test_rest(self):
        self.ready(self.start())
        for path, name, kind in (("settings", "settings", dict), ("circuits", "circuits", list),
                                 ("relays", "relays", list), ("exits", "exits", list), ("swarms", "swarms", list),
                                 ("peers", "peers", list)):
            answer, text = self.get(f"/tunnel/{path}")
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "application/json"))
            body = json.loads(text)
            self.assertEqual((list(body), type(body[name])), ([name], kind))
        self.assertEqual(json.loads(self.get("/network")[1]), {"peers": {}})
        self.assertEqual([row["peers"] for row in json.loads(self.get("/overlays")[1])["overlays"]], [[], [], []])
        self.assertEqual(self.get("/tunnel/relays", method="HEAD")[1], "")
        for path in ("/tunnel", "/tunnel/", "/tunnel/relays/", "/tunnel/circuits/test", "/asyncio", "/../network"):
            self.assertEqual(self.get(path)[0].status, 404, path)

    def test_only_reading(self):
        self.ready(self.start())
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            answer, _ = self.get(method=method)
            self.assertEqual((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"))
        for head in (b"Content-Length: 5", b"Transfer-Encoding: chunked"):
            self.assertIn(b" 400 ", self.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\nhello"))
        for rubbish in (b"\r\n" * 100 + b"\0" * 100, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                        b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 10000 + b"\r\n", bytes(range(256)) * 64):
            try:
                self.raw(rubbish)
            except OSError:
                pass
        self.assertEqual(self.get()[0].status, 200)

    def test_names(self):
        """Only names of this machine: a page in a browser that got itself another one learns nothing."""
        self.ready(self.start())
        for host, status in (("localhost", 200), (f"localhost:{self.port}", 200), ("127.0.0.1", 200), ("[::1]:80", 200),
                             ("localhost.example", 401), ("peel.example:80", 401), ("192.0.2.1", 401), ("", 401)):
            self.assertEqual(self.get(Host=host)[0].status, status, host)

    def test_key(self):
        self.ready(self.start("0.0.0.0", "key = secret-1\n"))
        for path, headers in (("/metrics", {}), ("/metrics", {"X_Api_Key": "secret-2"}),
                              ("/metrics", {"X_Api_Key": "secret-1 "[:-2]}), ("/metrics?apikey=", {}),
                              ("/metrics", {"Authorization": "Bearer secret"}), ("/other", {}),
                              ("/metrics", {"Authorization": "Basic secret-1"})):
            answer, text = self.get(path, **headers)
            self.assertEqual((answer.status, json.loads(text)), (401, {"error": "Unauthorized access"}), headers)
        for path, headers in (("/metrics", {"X_Api_Key": "secret-1"}), ("/metrics?apikey=secret-1", {}),
                              ("/metrics", {"Authorization": "Bearer secret-1", "Host": "peel.example"})):
            self.assertEqual(self.get(path, **headers)[0].status, 200, headers)

    def test_port_in_use(self):
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", self.port))
            sock.listen()
            process = self.start()
            self.assertEqual(process.wait(20), 1)
            self.assertRegex(process.stderr.read(), r"\[metrics\] listen: cannot listen on 127.0.0.1:\d+: Address")

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as sock:
                sock.bind(("::1", 0))
        except OSError:
            self.skipTest("no IPv6")
        self.ready(self.start("[::1]"))
        self.assertEqual(self.get(address="::1")[0].status, 200)

    def test_crowds(self):
        """Connections that say nothing, or read nothing, keep nobody out, and end."""
        process = self.ready(self.start())
        files = len(os.listdir(f"/proc/{process.pid}/fd"))
        crowd = []
        for n in range(200):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            self.addCleanup(sock.close)
            sock.connect(("127.0.0.1", self.port))
            if n % 2:
                sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * (n % 4))
            crowd.append(sock)
        for _ in range(10):
            start = time.monotonic()
            self.assertEqual(self.get()[0].status, 200)
            self.assertLess(time.monotonic() - start, 5)
        self.assertLessEqual(len(os.listdir(f"/proc/{process.pid}/fd")) - files, 32)
        for sock in crowd:
            sock.close()
        for _ in range(100):
            if len(os.listdir(f"/proc/{process.pid}/fd")) <= files + 1:
                break
            time.sleep(0.1)
        self.assertLessEqual(len(os.listdir(f"/proc/{process.pid}/fd")), files + 1)

    def test_end_with_a_slow_reader(self):
        process = self.ready(self.start())
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            select.select([sock], [], [], 5)
            process.terminate()
            self.assertEqual(process.wait(10), 0)

    def test_privileges(self):
        """The server's thread has given up as much as the others."""
        process = self.ready(self.start())
        threads = {}
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/status", encoding="ascii") as file:
                threads[task] = dict(re.findall(r"^(\w+):\s*(.*)$", file.read(), re.MULTILINE))
        self.assertTrue(any("MHD" in thread["Name"] for thread in threads.values()), threads)
        for thread in threads.values():
            self.assertEqual(thread["NoNewPrivs"], "1")
            self.assertEqual(int(thread["CapEff"], 16), 0)
            if os.geteuid() == 0:
                self.assertNotIn("0", thread["Uid"].split())


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=1)
