# SPDX-License-Identifier: BSD-3-Clause
"""The program as an operator meets it: commands, errors, signals, the management socket. Usage: test_cli.py PEEL"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest

from folder import Folder

PEEL = None
# Sanitized builds need more memory and time.
SANITIZED = False


def peel(*args, **kwargs):
    return subprocess.run([PEEL, *args], capture_output=True, text=True, timeout=60, check=False, **kwargs)


def valid(path):
    """What --check prints when nothing is wrong."""
    after = f"{path}: after its start it runs as nobody\n" if os.geteuid() == 0 else ""
    return f"{path}: configuration is valid\n{after}"


class Commands(Folder):
    def test_help_and_version(self):
        for args in (["--help"], ["-h"], ["help"], ["relay", "--help"], ["keygen", "-h"], ["status", "--help"],
                     ["client", "-h"], ["send", "--help"], ["speedtest", "-h"], ["service", "-h"],
                     ["service", "publish", "--help"], ["service", "join", "-h"]):
            result = peel(*args)
            self.assertEqual((result.returncode, result.stderr), (0, ""), args)
            self.assertIn("usage: peel", result.stdout)
        self.assertRegex(peel("--version").stdout, r"^peel \d+\.\d+\.\d+\n$")

    def test_wrong_arguments(self):
        for args, word in (([], "usage"), (["fly"], '"fly"'), (["--fly"], "--fly"), (["relay"], "-c FILE"),
                           (["relay", "--fly"], "--fly"), (["relay", "-c", "x", "y"], '"y"'), (["relay", "-c"], "c"),
                           (["keygen"], "one file"), (["keygen", "a", "b"], "one file"), (["status"], "-c FILE"),
                           (["status", "-c", "x", "-s", "y"], "not both"), (["status", "-s", "y", "fly"], '"fly"'),
                           (["status", "-s", "y", "--watch=0"], "3600"), (["client"], "-c FILE"),
                           (["client", "-c", "x", "y"], '"y"'), (["send"], "a host and a port"),
                           (["send", "a"], "a host and a port"), (["send", "a", "b", "c", "d"], "a host and a port"),
                           (["send", "192.0.2.1", "0", "x"], "65535"), (["send", "a b", "1", "x"], '"a b"'),
                           (["send", "--hops", "9", "a", "1", "x"], "1 to 8"), (["send", "-b", "x", "a", "1"], "x"),
                           (["send", "--wait", "-1", "a", "1", "x"], "3600"), (["speedtest", "x"], '"x"'),
                           (["send", "a", "1", "x" * 1601], "1600"), (["speedtest", "--size", "15"], "1400"),
                           (["speedtest", "--seconds", "0"], "600"), (["speedtest", "--community", "x"], "x"),
                           (["speedtest", "-b", "a:1", "-c", "x"], "-c once"), (["service"], "publish"),
                           (["service", "fly"], "publish"), (["service", "--name", "x"], "publish"),
                           (["service", "publish", "--to", "127.0.0.1:1"], "--name or --info-hash"),
                           (["service", "publish", "--name", "x", "--info-hash", "y"], "--name or --info-hash"),
                           (["service", "publish", "--name", "", "--to", "127.0.0.1:1"], "empty"),
                           (["service", "publish", "--name", "x"], "--to ADDRESS:PORT"),
                           (["service", "publish", "--name", "x", "--to", "127.0.0.1"], "no port"),
                           (["service", "publish", "--name", "x", "--to", "127.0.0.1:0"], "port 0"),
                           (["service", "publish", "--name", "x", "--to", "here:1"], "here:1"),
                           (["service", "publish", "--name", "x", "--listen", "127.0.0.1:1"], "--listen"),
                           (["service", "publish", "--name", "x", "--to", "127.0.0.1:1", "y"], '"y"'),
                           (["service", "publish", "--name", "x", "--to", "127.0.0.1:1", "--tribler"], "--tribler"),
                           (["service", "connect", "--name", "x"], "--listen ADDRESS:PORT"),
                           (["service", "connect", "--name", "x", "--to", "127.0.0.1:1"], "--to"),
                           (["service", "connect", "--name", "x", "--key", "k"], "--key"),
                           (["service", "connect", "--info-hash", "12", "--listen", "127.0.0.1:1"], "40 hexadecimal"),
                           (["service", "connect", "--name", "x", "--hops", "8", "--listen", "127.0.0.1:1"], "1 to 7"),
                           (["service", "connect", "--name", "x", "--idle", "0"], "86400"),
                           (["service", "join", "-s", "y"], "one name"), (["service", "join", "x"], "-c FILE"),
                           (["service", "join", "-s", "y", "a b"], "spaces"), (["service", "list", "x"], "no name"),
                           (["service", "join", "-s", "y", "x/9"], "1 to 7"),
                           (["service", "leave", "-s", "y", "--both", "x"], "--both")):
            result = peel(*args)
            self.assertEqual((result.returncode, result.stdout), (2, ""), args)
            self.assertIn(word, result.stderr, args)

    def test_keygen(self):
        made = peel("keygen", self.path("k"))
        self.assertEqual(made.returncode, 0)
        self.assertRegex(made.stdout, r"^mid [0-9a-f]{40}\n$")
        self.assertEqual(os.stat(self.path("k")).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.path("k")).st_size, 74)
        shown = peel("keygen", "--show", self.path("k"))
        self.assertRegex(shown.stdout, r"^public_key [0-9a-f]{148}\nmid [0-9a-f]{40}\n$")
        self.assertTrue(shown.stdout.endswith(made.stdout))
        again = peel("keygen", self.path("k"))
        self.assertEqual((again.returncode, again.stdout), (1, ""))
        self.assertIn("exists already", again.stderr)
        self.assertEqual(peel("keygen", "--show", self.path("none")).returncode, 1)

    def test_check(self):
        peel("keygen", self.path("k"))
        good = self.write("good.ini", f"[node]\nkey = {self.path('k')}\n[port]\nlisten = 127.0.0.1:0\n")
        result = peel("relay", "-c", good, "--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, valid(good), ""))
        bad = self.write("bad.ini", "[node]\nkee = k\n[workers]\nring = x\n")
        result = peel("relay", "-c", bad, "--check")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertTrue(lines[0].startswith(f"{bad}:2: [node] kee: "))
        self.assertTrue(lines[1].startswith(f"{bad}:4: [workers] ring: "))
        os.chmod(self.path("k"), 0o644)
        result = peel("relay", "-c", good, "--check")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{good}:2: [node] key: ", result.stderr)

    def test_check_notes_that_nodes_would_not_be_remembered(self):
        folder = self.path("none")
        client = self.write("client.ini", "[port]\nlisten = 127.0.0.1:0\n[socks]\nhops1 = 127.0.0.1:0\n"
                                          f"[dht]\nstate = {folder}/dht\n")
        result = peel("client", "-c", client, "--check")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.startswith(f"{client}:6: [dht] state: "))
        self.assertIn(f"`install -d -m 700 {folder}`", result.stdout)
        os.mkdir(folder)
        self.assertEqual(peel("client", "-c", client, "--check").stdout, valid(client))

    def test_status_of_nobody(self):
        result = peel("status", "-s", self.path("none"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("does the node run?", result.stderr)


    def test_files_of_relays_and_clients(self):
        client = self.write("client.ini", "[port]\nlisten = 127.0.0.1:0\n[socks]\nhops1 = 127.0.0.1:0\n"
                                          "[workers]\nhugepages = no\n")
        result = peel("client", "-c", client, "--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, valid(client), ""))
        result = peel("relay", "-c", client, "--check")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"{client}:3: section [socks] is for `peel client`", result.stderr)
        peel("keygen", self.path("k"))
        relay = self.write("relay.ini", f"[node]\nkey = {self.path('k')}\n[port]\nlisten = 127.0.0.1:0\n")
        result = peel("client", "-c", relay, "--check")
        self.assertEqual(result.returncode, 2)
        self.assertIn("[socks]: names no listener", result.stderr)
        # The sample files document every setting, and are valid as such.
        sample = self.write("sample.ini", peel("client", "--sample").stdout)
        result = peel("client", "-c", sample, "--check")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, valid(sample), ""))
        self.assertIn("\nkey = /etc/peel/key\n", peel("relay", "--sample").stdout)
        # Whoever only asks a node takes both.
        for path in (client, relay):
            self.assertIn("[node] management: is not set", peel("status", "-c", path).stderr)


class Client(Folder):
    def start(self, extra="", key=""):
        config = self.write("client.ini", f"""[node]
management = {self.path('sock')}
{key}
[port]
listen = 127.0.0.1:0
[discovery]
bootstrap =
[workers]
hugepages = no
[socks]
hops1 = 127.0.0.1:0
hops3 = 127.0.0.1:0
{extra}""")
        process = self.spawn(PEEL, "client", "-c", config, stderr=subprocess.PIPE)
        ports = {}
        for hops in (1, 3):
            line = process.stdout.readline()
            self.assertRegex(line, rf"^socks {hops} 127\.0\.0\.1:[1-9]\d*\n$")
            ports[hops] = int(line.rsplit(":", 1)[1])
        self.assertRegex(process.stdout.readline(), r"^ready 127\.0\.0\.1:[1-9]\d*\n$")
        return process, ports

    def stop(self, process):
        process.terminate()
        self.assertEqual(process.wait(30), 0)
        return process.stderr.read()

    def test_life(self):
        process, ports = self.start()
        status = json.loads(peel("status", "-s", self.path("sock")).stdout)
        self.assertEqual(status["flags"], ["relay", "speed_test"])
        self.assertGreater(status["own_circuits"]["max"], 0)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(json.loads(process.stdout.readline())["mid"], status["mid"])
        # Greeted, and told to wait: nobody is there to build circuits with.
        with socket.create_connection(("127.0.0.1", ports[3]), timeout=10) as client:
            client.sendall(b"\x05\x01\x00")
            self.assertEqual(client.recv(2), b"\x05\x00")
            client.sendall(b"\x05\x01\x00\x03\x01a\x00P")
            log = self.stop(process)
            self.assertEqual(client.recv(10), b"")
        self.assertNotIn("error", log)
        self.assertIn("fresh key", log)
        # Who was root before has no right to its folder any more: the next start replaces it.
        self.assertEqual(os.path.exists(self.path("sock")), os.geteuid() == 0)
        # The next session is somebody else, unless it has a key.
        process, _ = self.start()
        self.assertNotEqual(json.loads(peel("status", "-s", self.path("sock")).stdout)["mid"], status["mid"])
        self.stop(process)
        peel("keygen", self.path("k"))
        process, _ = self.start(key=f"key = {self.path('k')}")
        mid = json.loads(peel("status", "-s", self.path("sock")).stdout)["mid"]
        self.assertIn(mid, peel("keygen", "--show", self.path("k")).stdout)
        self.assertIn("lasting key", self.stop(process))

    def test_without_circuits(self):
        # A request for a tracker is refused in the end; an association never is.
        process, ports = self.start()
        for request, reply in ((b"\x05\x03\x00\x01" + bytes(6), b"\x05\x00"),
                               (b"\x05\x01\x00\x03\x01a\x00P", b"\x05\x03")):
            with socket.create_connection(("127.0.0.1", ports[1]), timeout=20) as client:
                client.sendall(b"\x05\x01\x00" + request)
                self.assertEqual(client.recv(2), b"\x05\x00")
                self.assertEqual(client.recv(10)[:2], reply)
        self.stop(process)

    def test_port_in_use(self):
        process, ports = self.start()
        config = self.write("second.ini", f"[port]\nlisten = 127.0.0.1:0\n[workers]\nhugepages = no\n"
                                          f"[socks]\nhops2 = 127.0.0.1:{ports[1]}\n")
        second = peel("client", "-c", config)
        self.assertEqual((second.returncode, second.stdout), (1, ""))
        self.assertIn(f"SOCKS listener 127.0.0.1:{ports[1]}", second.stderr)
        self.stop(process)

    def service(self, *args):
        return peel("service", args[0], "-s", self.path("sock"), *args[1:])

    def test_services(self):
        process, _ = self.start("[services]\njoin = chat/1, files/3\npublish = files/3\n")
        listed = json.loads(self.service("list").stdout)
        self.assertEqual([(s["name"], s["hops"], s["find"], s["seed"], s["peers"]) for s in listed],
                         [("chat", 1, True, False, []), ("files", 3, True, True, [])])
        self.assertEqual(listed[0]["info_hash"], hashlib.sha1(b"chat").hexdigest())
        self.assertEqual(json.loads(self.service("list", "--pretty").stdout), listed)
        torrent = "00112233445566778899aabbccddeeff00112233"
        result = self.service("join", "--publish", f"torrent:{torrent}/1")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        joined = json.loads(result.stdout)[2]
        self.assertEqual((joined["find"], joined["seed"]), (False, True))
        self.assertEqual(joined["info_hash"], hashlib.sha1(b"tribler anonymous download" + torrent.encode()).hexdigest())
        for args, word in ((["join", "chat/1"], "joined already"), (["leave", "other"], "not joined"),
                           (["join", "other/2"], "hops2 is not set"),
                           (["join", f"id:{joined['info_hash']}/1"], "joined already")):
            result = self.service(*args)
            self.assertEqual((result.returncode, result.stdout), (1, ""), args)
            self.assertIn(word, result.stderr, args)
        self.assertEqual(len(json.loads(self.service("leave", "chat").stdout)), 2)
        self.assertEqual(len(json.loads(peel("status", "-s", self.path("sock")).stdout)["services"]), 2)
        self.assertIn("unknown request", self.ask(b"service fly\n"))
        self.stop(process)

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(self.path("sock"))
            client.sendall(request)
            return client.makefile().read()

    def test_nobody_to_build_with(self):
        for command in (["send", "192.0.2.1", "80", "hello"], ["speedtest"]):
            result = peel(command[0], "-b", "127.0.0.1:1", "--timeout", "1", "--hops", "2", *command[1:])
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn("no circuit of 2 hops within 1 s", result.stderr)


class Service(Folder):
    """Nodes that nobody hears: how they begin, and how they end."""

    def start(self, what, *args):
        process = self.spawn(PEEL, "service", what, "-b", "127.0.0.1:1", *args, stderr=subprocess.PIPE)
        return process

    def test_connect(self):
        process = self.start("connect", "--name", "chat", "--listen", "127.0.0.1:0", "--hops", "1")
        line = process.stdout.readline()
        self.assertRegex(line, r"^listening on 127\.0\.0\.1:[1-9]\d*\n$")
        self.assertEqual(process.stdout.readline(), f"service {hashlib.sha1(b'chat').hexdigest()} over 1 hop\n")
        # Nobody is there: what is sent waits a while, and is counted in the end.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect(("127.0.0.1", int(line.rsplit(":", 1)[1])))
            for size in (0, 1, 1600, 1601, 1602):
                client.send(bytes(size))
            second = peel("service", "connect", "--name", "x", "-b", "127.0.0.1:1", "--listen", line.split()[-1])
            self.assertEqual(second.returncode, 1)
            self.assertIn(f"cannot listen on {line.split()[-1]}", second.stderr)
        # What it lacks is told once, and too long datagrams are.
        err = "".join(iter(process.stderr.readline, "warning: no circuit yet to look the service up with: too few "
                                                    "relays and exits answer\n"))
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=30)
        err += rest
        self.assertEqual(process.returncode, 0)
        self.assertRegex(out, r"ended: .*too long 2\n$")
        self.assertEqual(err.count("too long to be sent"), 1)

    def test_publish(self):
        key = self.path("service.key")
        keys = []
        for _ in range(2):
            process = self.start("publish", "--name", "chat", "--to", "127.0.0.1:9", "--key", key)
            self.assertIn(" over 3 hops", process.stdout.readline())
            process.terminate()
            process.communicate(timeout=30)
            self.assertEqual(process.returncode, 0)
            self.assertEqual((os.stat(key).st_mode & 0o777, os.stat(key).st_size), (0o600, 74))
            keys.append(peel("keygen", "--show", key).stdout)
        self.assertEqual(keys[0], keys[1])
        os.chmod(key, 0o644)
        process = self.start("publish", "--name", "chat", "--to", "127.0.0.1:9", "--key", key)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertIn("service.key", err)

    def test_quiet(self):
        config = self.write("client.ini", "[socks]\nhops1 = 127.0.0.1:0\n[log]\nlevel = debug\n")
        process = subprocess.Popen([PEEL, "service", "publish", "-c", config, "-b", "127.0.0.1:1", "--name", "chat", "--to",
                                    "127.0.0.1:9", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(1.0)
        process.terminate()
        out, err = process.communicate(timeout=30)
        # A sanitizer that looks for leaks may not stop all threads of a confined program, and says so.
        err = "".join(line for line in err.splitlines(True) if "False leaks are possible" not in line)
        self.assertEqual((out, err, process.returncode), ("", "", 0))


class Relay(Folder):
    def start(self, extra=""):
        if not os.path.exists(self.path("k")):
            peel("keygen", self.path("k"))
        self.config = self.write("relay.ini", f"""[node]
key = {self.path('k')}
management = {self.path('sock')}
[port]
listen = 127.0.0.1:0
[discovery]
bootstrap =
[workers]
hugepages = no
{extra}""")
        self.log = open(self.path("log"), "a+", encoding="utf-8")
        self.addCleanup(self.log.close)
        process = self.spawn(PEEL, "relay", "-c", self.config, stderr=self.log)
        self.assertRegex(process.stdout.readline(), r"^ready 127\.0\.0\.1:[1-9]\d*\n$", self.log_text())
        return process

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self, process):
        process.terminate()
        self.assertEqual(process.wait(30), 0, self.log_text())

    def connect(self):
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.settimeout(10)
        client.connect(self.path("sock"))
        return client

    def ask(self, request, end=True):
        client = self.connect()
        client.sendall(request)
        if not end:
            client.shutdown(socket.SHUT_WR)
        return self.read_all(client)

    @staticmethod
    def read_all(client):
        answer = b""
        try:
            while True:
                part = client.recv(65536)
                if not part:
                    return answer
                answer += part
        except ConnectionResetError:
            return answer

    def test_life(self):
        begin = time.monotonic()
        process = self.start()
        took = time.monotonic() - begin
        status = json.loads(self.ask(b"status\n"))
        self.assertEqual(status["driver"], "socket")
        self.assertEqual(status["flags"], ["relay", "speed_test"])
        self.assertEqual(len(status["workers"]), 1)
        self.assertEqual(status["circuits"]["relays"], 0)
        self.assertIn("drop_auth", status["counters"]["drops"])
        self.assertIn(status["mid"], peel("keygen", "--show", self.path("k")).stdout)
        print(f"ready after {took:.2f} s, {status['memory']['rss_bytes'] >> 20} MiB resident", file=sys.stderr)
        if not SANITIZED:
            self.assertLess(status["memory"]["rss_bytes"], 256 << 20)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(json.loads(process.stdout.readline())["mid"], status["mid"])
        self.assertEqual(os.stat(self.path("sock")).st_mode & 0o777, 0o600)
        self.stop(process)
        # Who was root before has no right to its folder any more: the next start replaces it.
        self.assertEqual(os.path.exists(self.path("sock")), os.geteuid() == 0)
        self.assertNotIn("error", self.log_text())

    def test_stages_are_measured_while_asked(self):
        process = self.start()
        result = peel("stats", "-s", self.path("sock"), "--stages")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"worker 0: 0 cells\n(  \w+ +[0-9.]+ %\n)+")
        self.assertIn("counters", json.loads(peel("stats", "-s", self.path("sock")).stdout))
        for args in ([], ["--stages=0"], ["--stages=x"], ["-s", "a", "-c", "b"]):
            self.assertEqual(peel("stats", *args).returncode, 2, args)
        self.assertEqual(peel("stats", "-s", self.path("none")).returncode, 1)
        self.stop(process)

    def test_mainline_dht_is_loaded_where_it_is_configured(self):
        """Other relays carry neither libtorrent nor C++; one with that DHT is confined all the same."""
        def loaded(process):
            with open(f"/proc/{process.pid}/maps", encoding="ascii") as maps:
                text = maps.read()
            return [word for word in ("torrent", "boost", "libstdc++") if word in text]

        def dht():
            status = json.loads(self.ask(b"status\n"))
            return [provider["name"] for provider in status["dht"]["providers"]], status["privileges"]["system_calls"]

        process = self.start()
        self.assertEqual(loaded(process), [])
        names, confined = dht()
        self.assertEqual(names, ["ipv8"])
        self.stop(process)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = f"mainline_listen = 127.0.0.1:{port}\nmainline_bootstrap =\n"
        check = peel("relay", "-c", self.config_with(f"[dht]\nprovider = mainline\n{settings}"), "--check")
        if "there is no DHT" in check.stderr:
            self.skipTest("this build has no libtorrent")
        process = self.start(f"[dht]\nprovider = ipv8, mainline\n{settings}")
        self.assertIn("torrent", loaded(process))
        self.assertEqual(dht(), (["ipv8", "mainline"], confined))
        # Its port is taken now: the next one says so, and ends.
        other = self.config_with(f"[dht]\nprovider = mainline\n{settings}")
        second = peel("relay", "-c", other)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"cannot listen on 127.0.0.1:{port}", second.stderr)
        time.sleep(1)
        self.stop(process)

    def config_with(self, extra):
        """Another relay's configuration, without a management socket."""
        return self.write("other.ini", f"""[node]
key = {self.path('k')}
[port]
listen = 127.0.0.1:0
[discovery]
bootstrap =
[workers]
hugepages = no
{extra}""")

    def test_idle_relay_sleeps(self):
        process = self.start()

        def cpu():
            with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat:
                return sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")

        before = cpu()
        time.sleep(2)
        # A worker that spins would use both seconds.
        self.assertLess(cpu() - before, 0.4)
        self.stop(process)

    def test_interrupt_ends_it_too(self):
        process = self.start()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(30), 0)

    def test_status_command(self):
        process = self.start()
        for what, kind in (("status", dict), ("circuits", list), ("peers", list), ("stats", dict)):
            plain = peel("status", "-c", self.config, what)
            self.assertEqual(plain.returncode, 0, plain.stderr)
            self.assertEqual(plain.stdout.count("\n"), 1)
            self.assertIsInstance(json.loads(plain.stdout), kind)
        pretty = peel("status", "-s", self.path("sock"), "--pretty")
        self.assertGreater(pretty.stdout.count("\n"), 50)
        self.assertIsInstance(json.loads(pretty.stdout), dict)
        self.stop(process)

    def test_odd_requests(self):
        process = self.start()
        self.assertIn(b'"error"', self.ask(b"fly\n"))
        self.assertIn(b'"error"', self.ask(b"\n"))
        self.assertIn(b'"error"', self.ask(b"status \x00\xff\n"))
        self.assertIn(b'"error"', self.ask(b"statuspretty\n"))
        self.assertIsInstance(json.loads(self.ask(b"status\r\n")), dict)
        self.assertIsInstance(json.loads(self.ask(b"stats", end=False)), dict)
        self.assertIsInstance(json.loads(self.ask(b"stats\nstatus\nmore\n")), dict)
        self.assertEqual(self.ask(b"x" * 1000), b"")
        self.assertEqual(self.ask(b"", end=False), b"")
        # In pieces.
        client = self.connect()
        for byte in b"stats\n":
            client.sendall(bytes([byte]))
            time.sleep(0.01)
        self.assertIsInstance(json.loads(self.read_all(client)), dict)
        # One that leaves before the answer.
        for _ in range(20):
            client = self.connect()
            client.sendall(b"status\n")
            client.close()
        self.assertIsInstance(json.loads(self.ask(b"stats\n")), dict)
        self.stop(process)

    def test_clients_are_bounded_in_number_and_time(self):
        process = self.start()
        idle = [self.connect() for _ in range(32)]
        time.sleep(0.2)
        self.assertEqual(self.read_all(self.connect()), b"")  # one more is let go
        begin = time.monotonic()
        self.assertEqual(self.read_all(idle[0]), b"")
        self.assertLess(time.monotonic() - begin, 9)
        for client in idle[1:]:
            self.read_all(client)
        self.assertIsInstance(json.loads(self.ask(b"stats\n")), dict)
        late = self.connect()  # still open at the end
        self.stop(process)
        self.assertEqual(self.read_all(late), b"")

    def test_stale_socket_is_replaced_and_a_live_one_is_not(self):
        process = self.start()
        second = peel("relay", "-c", self.config)
        self.assertEqual((second.returncode, second.stdout), (1, ""))
        self.assertIn("in use by another node", second.stderr)
        self.assertIsInstance(json.loads(self.ask(b"stats\n")), dict)
        process.kill()
        process.wait()
        self.assertTrue(os.path.exists(self.path("sock")))
        process = self.start()
        self.assertIsInstance(json.loads(self.ask(b"stats\n")), dict)
        self.stop(process)

    def test_other_files_are_not_replaced(self):
        self.write("sock", "precious")
        with self.assertRaises(AssertionError):
            self.start()
        self.assertIn("is no socket", self.log_text())
        with open(self.path("sock"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")

    def test_pinned_workers_leave_the_other_cpus_to_control(self):
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            self.skipTest("one CPU")
        process = self.start(f"cores = {cpus[-1]}\n")
        worker = control = 0
        for _ in range(100):  # a thread gives itself its name
            names = {}
            for task in os.listdir(f"/proc/{process.pid}/task"):
                with open(f"/proc/{process.pid}/task/{task}/comm", encoding="utf-8") as file:
                    names[task] = file.read().strip()
            if any(name.startswith("peel-worker") for name in names.values()):
                break
            time.sleep(0.1)
        for task, name in names.items():
            mine = os.sched_getaffinity(int(task))
            if name.startswith("peel-worker"):
                self.assertEqual(mine, {cpus[-1]})
                worker += 1
            elif not SANITIZED or task == str(process.pid):
                self.assertNotIn(cpus[-1], mine, name)
                control += 1
        self.assertEqual(worker, 1)
        self.assertGreaterEqual(control, 1)
        self.stop(process)

    def test_privileges_are_dropped(self):
        if os.geteuid() != 0:
            self.skipTest("needs root")
        os.chmod(self.folder, 0o755)
        config_user = "nobody"
        peel("keygen", self.path("k"))
        original = self.write

        def with_user(name, text):
            return original(name, text.replace("[port]", f"user = {config_user}\n[port]"))
        self.write = with_user
        process = self.start()
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        self.assertNotIn("0", fields["Uid"].split())
        self.assertNotIn("0", fields["Gid"].split())
        self.assertEqual({fields[f"Cap{kind}"].strip("0") for kind in ("Inh", "Prm", "Eff", "Amb")}, {""})
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertNotEqual(os.stat(self.path("sock")).st_uid, 0)
        self.assertIsInstance(json.loads(self.ask(b"stats\n")), dict)
        self.stop(process)


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    with open(PEEL, "rb") as binary:
        SANITIZED = b"__asan_init" in binary.read()
    unittest.main(verbosity=1)
