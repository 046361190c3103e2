# SPDX-License-Identifier: BSD-3-Clause
"""DPDK's telemetry socket, asked by DPDK's own client, and whether confinement holds. Usage: test_telemetry.py PEEL"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from folder import Folder, main

PEEL = None
CLIENT = shutil.which("dpdk-telemetry.py")
ROOT = os.geteuid() == 0
# A network of its own, so that the interface of a tap is nobody else's.
OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@unittest.skipUnless(CLIENT, "no dpdk-telemetry.py (package dpdk)")
class Telemetry(Folder):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.environment = {**os.environ, "RUNTIME_DIRECTORY": self.folder}
        self.socket = os.path.join(self.folder, "dpdk", f"peel-{self.port}", "dpdk_telemetry.v2")
        subprocess.run([PEEL, "keygen", os.path.join(self.folder, "key")], check=True, stdout=subprocess.DEVNULL)

    def start(self, port, before=(), node=""):
        config = os.path.join(self.folder, "relay.ini")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {self.folder}/key\n{node}\n[port]\n{port}\n[discovery]\nbootstrap =\n"
                       "[workers]\nhugepages = no\n")
        process = self.spawn(*before, PEEL, "relay", "-c", config, stderr=subprocess.PIPE, env=self.environment)
        self.assertRegex(process.stdout.readline() or process.stderr.read(), "^ready ")
        return process

    def ask(self, *questions):
        """The answers of the running program to DPDK's client."""
        result = subprocess.run([CLIENT, "-f", f"peel-{self.port}"], input="\n".join([*questions, "quit"]) + "\n", text=True,
                                capture_output=True, env=self.environment, timeout=60, check=True)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), len(questions), result.stdout + result.stderr)
        return [answer[question.split(",")[0]] for question, answer in zip(questions, answers)]

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, log)
        return log

    def test_pools(self):
        process = self.start(f"listen = 127.0.0.1:{self.port}\ntelemetry = yes")
        process.send_signal(signal.SIGUSR1)
        status = json.loads(process.stdout.readline())
        self.assertEqual(status["privileges"]["system_calls"].split()[0], "seccomp")
        # Each question is a connection, and a thread that begins in the fences.
        for _ in range(3):
            pools = self.ask("/mempool/list")[0]
            pool = self.ask(f"/mempool/info,{pools[0]}")[0]
        self.assertEqual(pool["size"], status["memory"]["buffers"])
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            self.assertIn("Seccomp:\t2", file.read())
        log = self.stop(process)
        self.assertIn(f"DPDK's telemetry: {self.socket} (dpdk-telemetry.py -f peel-{self.port})", log)

    def test_socket_at_the_end(self):
        """Whoever does not change the user leaves nothing; else the next start replaces it."""
        port = f"listen = 127.0.0.1:{self.port}\ntelemetry = yes"
        self.stop(self.start(port, node="user = root" if ROOT else ""))
        self.assertFalse(os.path.exists(os.path.dirname(self.socket)))
        if ROOT:
            for _ in range(2):
                self.stop(self.start(port))
                self.assertTrue(os.path.exists(self.socket))
            self.stop(self.start(port, node="user = root"))
            self.assertFalse(os.path.exists(self.socket))

    @unittest.skipUnless(ROOT and os.path.exists("/dev/net/tun"), "needs root and /dev/net/tun")
    def test_ports(self):
        process = self.start(f"driver = ethdev\ndevice = net_tap0,iface=peel0\naddress = 10.1.2.3/24\n"
                             f"listen = 0.0.0.0:{self.port}\ntelemetry = yes", OWN_NETWORK)
        ports = self.ask("/ethdev/list")[0]
        self.assertEqual(len(ports), 1)
        info, stats = self.ask(f"/ethdev/info,{ports[0]}", f"/ethdev/stats,{ports[0]}")
        self.assertEqual((info["name"], info["nb_rx_queues"]), ("net_tap0", 1))
        self.assertIn("ipackets", stats)
        self.stop(process)

    @unittest.skipUnless(ROOT, "needs root")
    def test_folder_of_somebody_else(self):
        """Without a runtime folder, DPDK takes one in /tmp, which must not be another user's, or open to others."""
        place = tempfile.TemporaryDirectory(dir="/var/tmp", prefix="peel-test-")
        self.addCleanup(place.cleanup)
        shutil.copy(PEEL, place.name)
        key, config = os.path.join(place.name, "key"), os.path.join(place.name, "relay.ini")
        subprocess.run([PEEL, "keygen", key], check=True, stdout=subprocess.DEVNULL)
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {key}\n[port]\nlisten = 127.0.0.1:0\ntelemetry = yes\n[discovery]\nbootstrap =\n"
                       "[workers]\nhugepages = no\n")
        for path in (place.name, key, config):
            os.chown(path, 65534, 65534)
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")}

        def start(before):
            process = self.spawn("unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o mode=1777 tmp /tmp && {before} && '
                                 'exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"', "sh",
                                 os.path.join(place.name, "peel"), "relay", "-c", config, stderr=subprocess.PIPE,
                                 env=environment)
            return process, process.stdout.readline()

        for before in ("mkdir /tmp/dpdk", "mkdir -m 777 /tmp/dpdk", "install -d -m 755 -o 65534 /tmp/dpdk",
                       "install -d -m 700 -o 65534 /tmp/real && ln -s real /tmp/dpdk"):
            process, line = start(before)
            self.assertEqual(line, "", before)
            self.assertIn("/tmp/dpdk is not ours alone; set XDG_RUNTIME_DIR", process.stderr.read())
            self.assertEqual(process.wait(30), 1)
        for before in ("true", "install -d -m 700 -o 65534 /tmp/dpdk"):
            process, line = start(before)
            self.assertRegex(line or process.stderr.read(), "^ready ")
            self.assertIn("DPDK's telemetry: /tmp/dpdk/peel-", self.stop(process))

    def test_off(self):
        process = self.start(f"listen = 127.0.0.1:{self.port}")
        self.assertFalse(os.path.exists(os.path.dirname(self.socket)))
        self.assertNotIn("telemetry", self.stop(process))


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    main()
