# SPDX-License-Identifier: BSD-3-Clause
"""What a service manager hears from a node, and where its log goes. Usage: test_supervision.py PEEL

app/test/systemd does the same with the real systemd."""

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from frozen import frozen

from folder import Folder

PEEL = None


def thread_named(pid, name):
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                return int(thread)
    return None


class Node(Folder):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)  # whoever root becomes makes a file here
        subprocess.run([PEEL, "keygen", self.path("k")], check=True, capture_output=True)

    def config(self, node="", log=""):
        with open(self.path("relay.ini"), "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {self.path('k')}\nmanagement = {self.path('sock')}\n{node}\n[port]\n"
                       f"listen = 127.0.0.1:0\n[workers]\nhugepages = no\n[discovery]\nbootstrap =\n[log]\n{log}\n")
        return self.path("relay.ini")

    def start(self, config, env=None, through=()):
        with open(self.path("stderr"), "w", encoding="utf-8") as log:
            process = self.spawn(*through, PEEL, "relay", "-c", config, stderr=log, env={**os.environ, **(env or {})})
        self.assertTrue(process.stdout.readline().startswith("ready "), self.read("stderr"))
        return process

    def story(self):
        return self.read("stderr")

    def end(self, process):
        process.terminate()
        self.assertEqual(process.wait(30), 0, self.read("stderr"))


class Manager:
    """The socket of a service manager; keeps all assignments, with the time of each."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        if isinstance(address, str):
            os.chmod(address, 0o777)
        self.heard = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while text := self.socket.recv(4096):
            for line in text.decode().split("\n"):
                self.heard.append((time.monotonic(), line))

    def all(self, start, since=0.0):
        return [line for when, line in list(self.heard) if line.startswith(start) and when >= since]

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Supervised(Node):
    def manager(self, address=None):
        manager = Manager(address or self.path("notify"))
        self.addCleanup(manager.close)
        return manager

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.path("notify"), "WATCHDOG_USEC": "3000000", **more}

    def test_life(self):
        manager = self.manager()
        process = self.start(self.config("shutdown_wait = 60"), self.environment())
        self.until(lambda: len(manager.all("WATCHDOG=1")) >= 2)
        self.assertEqual(manager.all("READY="), ["READY=1"])
        self.assertEqual(manager.heard[0][1], "READY=1")
        self.assertRegex(manager.all("STATUS=")[0],
                         r"^STATUS=0 circuits end here, 0 relayed; 0 peers; \d+ kB/s in, \d+ kB/s out$")
        begin = time.monotonic()
        process.send_signal(signal.SIGHUP)
        self.until(lambda: manager.all("READY=1", begin))
        words = [line.split("=")[0] for when, line in manager.heard if when >= begin and not line.startswith("WATCHDOG")]
        self.assertEqual(words[:3], ["RELOADING", "MONOTONIC_USEC", "READY"])
        told = int(manager.all("MONOTONIC_USEC")[0].split("=")[1]) / 1e6
        self.assertLess(abs(told - begin), 10)
        self.end(process)
        self.assertEqual(manager.all("EXTEND_TIMEOUT_USEC")[0], "EXTEND_TIMEOUT_USEC=20000000")
        self.assertEqual([line for _, line in manager.heard][-2:], ["STOPPING=1", "STATUS=stopping"])

    def test_frozen_worker(self):
        if os.geteuid() != 0:
            self.skipTest("to freeze a thread takes root")
        manager = self.manager()
        process = self.start(self.config(), self.environment())
        # It names itself, and may not have come to that yet.
        self.until(lambda: thread_named(process.pid, "peel-worker0"))
        with frozen(thread_named(process.pid, "peel-worker0")):
            self.until(lambda: "1 of 1 workers, worker 0 for one, have not moved" in self.read("stderr"))
            begin = time.monotonic()
            time.sleep(2.5)
            self.assertEqual(manager.all("WATCHDOG", begin), [])
        self.until(lambda: "all workers move again" in self.read("stderr"))
        begin = time.monotonic()
        self.until(lambda: manager.all("WATCHDOG", begin))
        self.end(process)

    def test_frozen_control_thread(self):
        if os.geteuid() != 0:
            self.skipTest("to freeze a thread takes root")
        manager = self.manager()
        process = self.start(self.config(), self.environment())
        with frozen(process.pid):
            begin = time.monotonic()
            time.sleep(2.5)
            self.assertEqual(manager.all("WATCHDOG", begin), [])
        self.until(lambda: manager.all("WATCHDOG", begin))
        self.end(process)

    def test_abstract_name_and_foreign_watchdog(self):
        name = f"peel-test-{os.getpid()}"
        manager = self.manager(b"\0" + name.encode())
        process = self.start(self.config(), self.environment(NOTIFY_SOCKET="@" + name, WATCHDOG_PID="1"))
        self.until(lambda: manager.all("STATUS="))
        time.sleep(1.5)
        self.end(process)
        self.assertEqual((manager.all("READY="), manager.all("WATCHDOG=")), (["READY=1"], []))

    def test_no_manager(self):
        for path in ("", "nowhere", self.path("not-there")):
            self.end(self.start(self.config(), self.environment(NOTIFY_SOCKET=path)))


class LogFile(Node):
    def test_opens_again(self):
        process = self.start(self.config(log=f"file = {self.path('log')}"))
        self.assertRegex(self.read("log"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info: peel ")
        self.assertEqual(self.read("stderr"), "")
        os.rename(self.path("log"), self.path("log.1"))
        process.send_signal(signal.SIGHUP)
        self.until(lambda: os.path.exists(self.path("log")) and "info: reloaded " in self.read("log"))
        before = self.read("log.1")
        self.end(process)
        self.assertIn("info: stopping", self.read("log"))
        self.assertEqual(self.read("log.1"), before)

    def test_cannot_open_again(self):
        process = self.start(self.config(log=f"file = {self.path('log')}"))
        os.rename(self.path("log"), self.path("log.1"))
        os.mkdir(self.path("log"))
        process.send_signal(signal.SIGHUP)
        self.until(lambda: "the log goes on in the file as it was opened before" in self.read("log.1"))
        self.until(lambda: "info: reloaded " in self.read("log.1"))
        self.end(process)
        self.assertIn("info: stopping", self.read("log.1"))
        # Errors go to standard error, too, and nothing else does.
        # A sanitizer may add a remark of its own.
        said = [line for line in self.read("stderr").splitlines() if not line.startswith("==")]
        self.assertEqual(len(said), 1, said)
        self.assertRegex(said[0], r"^error: \[log\] file: user \d+ cannot write ")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_opens_again_without_a_list_of_users(self):
        """A node that stays root does not ask who it is when it is confined."""
        process = self.start(self.config("user = root", f"file = {self.path('log')}"),
                             through=("unshare", "--mount", "--propagation", "private"))
        with open(self.path("nobody"), "w", encoding="ascii"):
            pass
        subprocess.run(["nsenter", "--mount", "--target", str(process.pid), "mount", "--bind", self.path("nobody"),
                        "/etc/passwd"], check=True)
        os.rename(self.path("log"), self.path("log.1"))
        process.send_signal(signal.SIGHUP)
        self.until(lambda: "info: reloaded " in self.read("log.1") +
                   (self.read("log") if os.path.exists(self.path("log")) else ""))
        self.assertIn("info: reloaded ", self.read("log"))
        self.end(process)

    def test_mistakes(self):
        os.mkfifo(self.path("fifo"))
        for file, word in ((self.path("fifo"), "is no file"), (self.path("none/log"), "No such file")):
            for args in (["--check"], []):
                result = subprocess.run([PEEL, "relay", "-c", self.config(log=f"file = {file}"), *args], text=True,
                                        capture_output=True, timeout=30, check=False)
                self.assertEqual(result.returncode, 2)
                self.assertIn("[log] file: ", result.stderr)
                self.assertIn(word, result.stderr)
        if os.geteuid() == 0:  # and becomes nobody
            os.chmod(self.folder, 0o755)
            result = subprocess.run([PEEL, "relay", "-c", self.config(log=f"file = {self.path('log')}")], text=True,
                                    capture_output=True, timeout=30, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, r"^error: \[log\] file: user \d+ cannot write .*: Permission denied\n$")

    def test_full_disk(self):
        # 4 kB a file, and beyond that an error instead of a signal.
        small = ("sh", "-c", """trap '' XFSZ; ulimit -S -f 8; exec "$@" """, "sh")
        # Who changes the limit of another process has its user.
        node = "user = root" if os.geteuid() == 0 else ""
        process = self.start(self.config(node, f"file = {self.path('log')}"), through=small)
        while os.path.getsize(self.path("log")) < 4096:  # the line that does not fit is cut
            process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        for _ in range(5):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.3)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        process.send_signal(signal.SIGHUP)
        self.until(lambda: "lines are missing here" in self.read("log"))
        missing = int(self.read("log").split(" lines are missing here")[0].split()[-1])
        self.assertGreaterEqual(missing, 5)
        self.end(process)
        self.assertIn("info: stopping", self.read("log"))


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=2)
