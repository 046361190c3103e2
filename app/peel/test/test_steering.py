# SPDX-License-Identifier: BSD-3-Clause
"""What an operator tells a running node: a relay, and a client with circuits that end there. Usage: test_steering.py PEEL"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

from folder import Folder

PEEL = None


def peel(*args):
    return subprocess.run([PEEL, *args], capture_output=True, text=True, timeout=60, check=False)


class Resolver:
    """A name server that knows one IPv4 address for every name (None: it never answers)."""

    def __init__(self, address):
        self.sock = socket.socket(type=socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.port, self.address = self.sock.getsockname()[1], address
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            question, sender = self.sock.recvfrom(512)
            if len(question) < 12 or self.address is None:
                if not question:
                    return
                continue
            end = question.index(b"\0", 12) + 5
            wanted = question[end - 4:end - 2] == b"\0\1"
            answer = question[:2] + b"\x81\x80" + question[4:6] + bytes([0, wanted, 0, 0, 0, 0]) + question[12:end]
            if wanted:
                answer += b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4" + socket.inet_aton(self.address)
            self.sock.sendto(answer, sender)

    def close(self):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join()
        self.sock.close()


class Steering(Folder):
    def setUp(self):
        super().setUp()
        peel("keygen", self.path("k"))

    def rewrite(self, path, before, after):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(before, text)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(before, after))

    def run_node(self, command, config):
        """Start it and wait until it is ready. The process and its address."""
        log = open(self.path(command + ".log"), "a+", encoding="utf-8")
        self.addCleanup(log.close)
        process = self.spawn(PEEL, command, "-c", config, stderr=log)
        for line in process.stdout:
            if line.startswith("ready "):
                return process, line.split()[1]
        self.fail(self.log(command))

    def log(self, command="relay"):
        return self.read(command + ".log")

    def config(self, node="", rest=""):
        return self.write("relay.ini", f"[node]\nkey = {self.path('k')}\nmanagement = {self.path('sock')}\n{node}\n[port]\n"
                          f"listen = 127.0.0.1:0\n[workers]\nhugepages = no\n{rest}")

    def relay(self, node="", rest="[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\n"):
        return self.run_node("relay", self.config(node, rest))

    def client(self, relay):
        """A client with eight circuits of one hop at the relay."""
        config = self.write("client.ini", f"[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap = {relay}\n[workers]\n"
                            "hugepages = no\n[socks]\nhops1 = 127.0.0.1:0\n")
        process, _ = self.run_node("client", config)
        self.until(lambda: self.status()["circuits"]["exits"] == 8)
        return process

    story = log

    def ask(self, *args):
        """The answer to a command that the node obeys."""
        result = peel(args[0], "-s", self.path("sock"), *args[1:])
        self.assertEqual((result.returncode, result.stderr), (0, ""), args)
        return json.loads(result.stdout)

    def refused(self, *args):
        """Why it does not."""
        result = peel(args[0], "-s", self.path("sock"), *args[1:])
        self.assertEqual((result.returncode, result.stdout), (1, ""), args)
        return result.stderr

    def status(self):
        return self.ask("status")


class Ban(Steering):
    def circuits(self):
        return self.status()["circuits"]["exits"]

    def drops(self):
        return self.status()["counters"]["drops"]["drop_banned"]

    def test_address(self):
        os.chmod(self.folder, 0o755)  # whoever root becomes reads the file again
        _, address = self.relay()
        self.client(address)
        self.assertEqual(self.ask("ban", "127.0.0.0/8"), {"banned": "127.0.0.0/8", "for_s": None})
        self.until(lambda: self.status()["circuits"]["exits"] == 0)
        self.assertEqual(self.status()["counters"]["circuits_banned"], 8)
        self.until(lambda: self.drops() > 5)
        status = self.status()
        self.assertEqual((status["peers"]["tunnel"], status["bans"]), (0, {"networks": 1, "keys": 0}))
        self.assertIn("a network is banned (now banned: 1 networks, 0 keys)", self.log())
        self.assertNotIn("127.0.0.0/8", self.log())
        self.ask("reload")
        self.assertEqual(self.ask("ban", "--list"), {"bans": [{"what": "127.0.0.0/8", "left_s": None}]})
        self.assertEqual(self.ask("unban", "127.0.0.0/8"), {"unbanned": "127.0.0.0/8"})
        self.until(lambda: self.circuits() == 8, 90)
        self.assertIn("there is no such ban", self.refused("unban", "127.0.0.0/8"))

    def test_key_for_a_time(self):
        _, address = self.relay()
        self.client(address)
        self.until(lambda: len(self.ask("status", "peers")) == 1)
        mid = self.ask("status", "peers")[0]["mid"]
        self.assertEqual(self.ask("ban", "--for", "15s", mid), {"banned": mid, "for_s": 15})
        self.until(lambda: self.circuits() == 0)
        self.assertEqual(self.ask("status", "peers"), [])
        self.assertEqual(self.ask("ban", "--list")["bans"][0]["what"], mid)
        self.until(lambda: self.status()["counters"]["create_refused_banned"] + self.drops() > 0)
        self.until(lambda: self.ask("ban", "--list") == {"bans": []})
        self.until(lambda: self.circuits() == 8, 90)

    def test_never_a_hop(self):
        """A client bans its only relay by its member id: it has no circuits, and builds none."""
        _, address = self.relay()
        mid = self.status()["mid"]
        config = self.write("client.ini", f"[node]\nmanagement = {self.path('sock2')}\n[port]\nlisten = 127.0.0.1:0\n"
                            f"[discovery]\nbootstrap = {address}\n[workers]\nhugepages = no\n[socks]\nhops1 = 127.0.0.1:0\n")
        self.run_node("client", config)

        def ready():
            return json.loads(peel("status", "-s", self.path("sock2")).stdout)["own_circuits"]["ready"]
        self.until(lambda: ready() == 8)
        self.assertEqual(peel("ban", "-s", self.path("sock2"), mid).returncode, 0)
        self.assertEqual(ready(), 0)
        time.sleep(6)
        self.assertEqual(ready(), 0)
        self.assertEqual(peel("unban", "-s", self.path("sock2"), mid).returncode, 0)
        self.until(lambda: ready() == 8, 90)

    def test_errors(self):
        self.relay()
        for args, why in ((["ban"], "needs one"), (["ban", "300.1.2.3"], "is no address"),
                          (["ban", "192.0.2.1:80"], "without a port"),
                          (["ban", "0.0.0.0/0"], "too much"), (["ban", "192.0.2.1/24"], "is no network"),
                          (["ban", "--for", "2y", "192.0.2.1"], "--for takes"),
                          (["ban", "--for", "366d", "192.0.2.1"], "--for takes"),
                          (["ban", "--list", "192.0.2.1"], "takes nothing else"), (["unban"], "needs one")):
            result = peel(args[0], "-s", self.path("sock"), *args[1:])
            self.assertEqual((result.returncode, result.stdout), (2, ""), args)
            self.assertIn(why, result.stderr)


class Drain(Steering):
    def test_waits_for_circuits(self):
        relay, address = self.relay()
        client = self.client(address)
        self.assertIsNone(self.status()["drain"])
        self.assertIn("does not drain", self.refused("drain", "--cancel"))
        answer = self.ask("drain")
        self.assertEqual((answer["circuits"], answer["limit_s"]), (8, 3600))
        status = self.status()
        self.assertEqual((status["flags"], status["drain"]["circuits"]), ([], 8))
        self.assertGreater(status["drain"]["left_ms"], 3500 * 1000)
        self.assertEqual(self.ask("drain", "--cancel"), {"draining": False})
        status = self.status()
        self.assertEqual((status["flags"], status["drain"]), (["relay", "exit_bt", "speed_test"], None))
        self.ask("drain", "--timeout", "60")
        time.sleep(1)
        self.assertIsNone(relay.poll(), "circuits are there, and time is left")
        client.terminate()
        self.assertEqual(client.wait(30), 0)
        self.assertEqual(relay.wait(30), 0)
        self.assertIn("drained: no circuits of others are left", self.log())

    def test_limit(self):
        relay, address = self.relay()
        self.client(address)
        self.ask("drain", "--timeout", "2")
        begin = time.monotonic()
        self.assertEqual(relay.wait(30), 0)
        self.assertGreater(time.monotonic() - begin, 1.5)
        self.assertIn("drained as long as allowed: 8 circuits of others end", self.log())
        # They were told, and do not wait for a timeout.
        self.until(lambda: "no circuit of 1 hop is left" in self.log("client"), 5)

    def test_signals(self):
        relay, address = self.relay("shutdown_wait = 60")
        self.client(address)
        relay.terminate()
        self.until(lambda: self.status()["drain"] is not None)
        self.assertLessEqual(self.status()["drain"]["left_ms"], 60 * 1000)
        time.sleep(1)
        self.assertIsNone(relay.poll())
        relay.send_signal(signal.SIGTERM)
        self.assertEqual(relay.wait(10), 0)
        self.until(lambda: "no circuit of 1 hop is left" in self.log("client"), 5)

    def test_nothing_to_wait_for(self):
        relay, _ = self.relay("shutdown_wait = 60")
        relay.terminate()
        self.assertEqual(relay.wait(10), 0)

    def test_wrong_arguments(self):
        for args, word in (([], "-c FILE"), (["-s", "x", "--timeout", "x"], "604800"), (["-s", "x", "y"], '"y"'),
                           (["-s", "x", "--cancel", "--timeout", "1"], "not both")):
            result = peel("drain", *args)
            self.assertEqual((result.returncode, result.stdout), (2, ""), args)
            self.assertIn(word, result.stderr)
        self.assertIn("usage: peel drain", peel("drain", "--help").stdout)


class Reload(Steering):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)  # whoever root becomes must get at the file

    REST = "[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\n"

    def test_changes(self):
        relay, address = self.relay()
        self.client(address)
        ids = sorted(row["circuit_id"] for row in self.ask("status", "circuits"))
        self.assertEqual(self.ask("reload"), {"changed": [], "restart": []})
        self.config("shutdown_wait = 30", "idle_spins = 5\n[discovery]\nbootstrap =\n[tunnel]\nexit_ipv8 = yes\n"
                    "max_joined_circuits = 50\ncreate_rate = 1000\nmax_relay_early = 7\n[exit]\ndeny = 192.0.2.0/24\n"
                    "allow_private = yes\n[log]\nlevel = debug\n")
        answer = self.ask("reload")
        self.assertEqual(answer["restart"], ["[workers] idle_spins", "[tunnel] max_relay_early"])
        self.assertEqual(answer["changed"], ["[node] shutdown_wait", "[tunnel] exit_bt", "[tunnel] exit_ipv8",
                                             "[tunnel] max_joined_circuits", "[tunnel] create_rate",
                                             "[exit] allow_private", "[exit] deny", "[log] level"])
        status = self.status()
        self.assertEqual(status["flags"], ["relay", "exit_ipv8", "speed_test"])
        self.assertEqual(status["circuits"]["max_joined"], 50)
        self.assertEqual(sorted(row["circuit_id"] for row in self.ask("status", "circuits")), ids)
        # What was left is told again; the rest is in force.
        self.assertEqual(self.ask("reload"), {"changed": [], "restart": answer["restart"]})
        relay.terminate()
        self.until(lambda: self.status()["drain"] is not None)

    def test_resolvers_and_bootstrap(self):
        """A server by name, which only the new resolver knows; then an address instead of it."""
        other = []
        for name in "ab":
            peel("keygen", self.path(name))
            config = self.write(name + ".ini", f"[node]\nkey = {self.path(name)}\n[port]\nlisten = 127.0.0.1:0\n[workers]\n"
                                "hugepages = no\n[discovery]\nbootstrap =\n")
            other.append(self.run_node("relay", config)[1])
        dead, asked = Resolver(None), Resolver("127.0.0.1")
        self.addCleanup(dead.close)
        self.addCleanup(asked.close)
        rest = "[discovery]\nbootstrap = server.test:{}\n[exit]\ndns_servers = 127.0.0.1:{}\ndns_timeout = {}\n"
        port = other[0].rsplit(":", 1)[1]
        config = self.config(rest=rest.format(port, dead.port, 0.3))
        self.run_node("relay", config)
        self.until(lambda: "name server.test does not resolve" in self.log())
        self.rewrite(config, f":{dead.port}", f":{asked.port}")
        self.assertEqual(self.ask("reload"), {"changed": ["[exit] dns_servers"], "restart": []})
        self.until(lambda: self.status()["peers"]["tunnel"] == 1)
        self.assertIn(f"name server.test resolves to {other[0]}", self.log())
        self.rewrite(config, f"server.test:{port}", other[1])
        self.assertEqual(self.ask("reload")["changed"], ["[discovery] bootstrap"])
        self.until(lambda: self.status()["peers"]["tunnel"] == 2)

    def test_metrics_key(self):
        """Another key holds at once, and a listener that others reach is never without one."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]

        def get(key):
            request = urllib.request.Request(f"http://127.0.0.1:{port}/status", headers={"X-Api-Key": key})
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code

        metrics = "[metrics]\nlisten = {}:" + str(port) + "\nkey = {}\n"
        self.relay(rest=self.REST + metrics.format("0.0.0.0", "old"))
        self.assertEqual((get("old"), get("new")), (200, 401))
        self.config(rest=self.REST + metrics.format("0.0.0.0", "new"))
        self.assertEqual(self.ask("reload")["changed"], ["[metrics] key"])
        self.assertEqual((get("old"), get("new")), (401, 200))
        self.config(rest=self.REST + metrics.format("127.0.0.1", ""))
        for _ in range(2):
            self.assertEqual(self.ask("reload"), {"changed": [], "restart": ["[metrics] listen", "[metrics] key"]})
        self.assertEqual((get("new"), get("")), (200, 401))

    def test_tables_do_not_grow(self):
        self.relay()
        self.config(rest=self.REST + "max_joined_circuits = 5000\n")
        self.assertEqual(self.ask("reload"), {"changed": [], "restart": ["[tunnel] max_joined_circuits"]})
        self.assertEqual(self.status()["circuits"]["max_joined"], 100)

    def test_mistakes_change_nothing(self):
        self.relay()
        self.config(rest=self.REST + "max_joined_circuits = 50\ncreate_rate = many\n[log]\nlevel = loud\n")
        why = self.refused("reload")
        self.assertIn("[tunnel] create_rate", why)
        self.assertIn("[log] level", why)
        self.assertEqual(self.status()["circuits"]["max_joined"], 100)
        os.unlink(self.path("relay.ini"))
        self.assertIn("No such file", self.refused("reload"))

    def test_unreadable(self):
        self.relay()
        os.chmod(self.path("relay.ini"), 0)
        self.assertRegex(self.refused("reload"), r"Permission denied; the node runs as [a-z]+, who must be able to read it")

    def test_unreadable_from_the_start(self):
        """Root can read what the user cannot that the node becomes: it says so in time."""
        if os.geteuid() != 0:
            self.skipTest("only root becomes another user")
        warning = r"warning: no reload will be possible: \S+: Permission denied; the node runs as [a-z]+, who must be able "
        first, _ = self.relay()
        self.status()
        self.assertNotRegex(self.log(), warning)
        first.terminate()
        first.wait()
        os.chmod(self.folder, 0o700)
        self.relay()
        self.until(lambda: re.search(warning, self.log()))

    def test_link(self):
        """A link is followed anew by each reload."""
        for name in ("one", "two"):
            os.mkdir(self.path(name))
            os.chmod(self.path(name), 0o755)
        config = self.config(rest=self.REST)
        text = self.read("relay.ini")
        for name, circuits in (("one/a.ini", 52), ("one/b.ini", 51), ("two/c.ini", 50)):
            self.write(name, text + f"max_joined_circuits = {circuits}\n")
        self.relink("one/a.ini")
        self.run_node("relay", config)
        self.assertEqual(self.status()["circuits"]["max_joined"], 52)
        self.relink("one/b.ini")
        self.assertEqual(self.ask("reload")["changed"], ["[tunnel] max_joined_circuits"])
        self.assertEqual(self.status()["circuits"]["max_joined"], 51)
        # Where the confined node reads nothing, it says so; landlock may be missing or, with sanitizers, wide open.
        self.relink("two/c.ini")
        result = peel("reload", "-s", self.path("sock"))
        if result.returncode == 0:
            self.assertEqual(self.status()["circuits"]["max_joined"], 50)
        else:
            self.assertIn("Permission denied; the node reads only /etc and the folders that its files were in when it "
                          "started: put the file there, or restart the node", result.stderr)

    def relink(self, target):
        os.symlink(target, self.path("new.ini"))
        os.rename(self.path("new.ini"), self.path("relay.ini"))

    def test_memory_of_accounts(self):
        """Limits that could take more than half of the memory are refused, at the start and in a reload."""
        most, memory = 16384, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
        sockets = min(1000000, memory // (2 * 4 * most) + 1)
        if sockets == 1000000:
            self.skipTest("this machine has memory for all that may be set")
        rest = self.REST + f"[exit]\nmax_sockets = {sockets}\n"
        why = (rf"\[exit\] circuit_destinations: {most} hosts for each of max_sockets = {sockets} take up to \d+ MiB, more "
               r"than half of this machine's memory \(\d+ MiB\): lower one of them")
        config = self.config(rest=rest + f"circuit_destinations = {most}\n")
        for options in ([], ["--check"]):
            result = peel("relay", "-c", config, *options)
            self.assertEqual(result.returncode, 2)
            self.assertRegex(result.stderr, why)
        self.relay(rest=rest + "circuit_destinations = 8\n")
        self.config(rest=rest + f"circuit_destinations = {most}\n")
        self.assertRegex(self.refused("reload"), why)
        self.assertEqual(self.status()["exit_limits"]["circuit_destinations"], 8)

    def test_hangup(self):
        relay, _ = self.relay()
        self.config(rest=self.REST + "max_joined_circuits = 50\n")
        relay.send_signal(signal.SIGHUP)
        self.until(lambda: self.status()["circuits"]["max_joined"] == 50)
        self.assertIn("changed: [tunnel] max_joined_circuits", self.log())
        self.config(rest="nonsense\n")
        relay.send_signal(signal.SIGHUP)
        self.until(lambda: "not reloaded" in self.log())


class Heartbeat(Steering):
    def test_lines(self):
        _, address = self.relay(rest="[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\nmax_joined_circuits = 3\n"
                                "[log]\nheartbeat = 2\n[accounting]\nlimit = 1G\nstart = day 00:00\n")
        config = self.write("client.ini", f"[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap = {address}\n[workers]\n"
                            "hugepages = no\n[socks]\nhops1 = 127.0.0.1:0\n")
        self.run_node("client", config)
        self.until(lambda: "full: max_joined_circuits (3) is reached" in self.log(), 60)
        self.until(lambda: self.log().count("heartbeat: up 0:00 h") >= 2)
        log = self.log()
        self.assertEqual(log.count("joined the first circuit of another node"), 1)
        self.assertEqual(log.count("full: "), 1)
        beats = [line for line in log.splitlines() if "heartbeat" in line]
        self.assertRegex(beats[-1], r"^info: heartbeat: up 0:0\d h, circuits of others: \d+ end here, 0 relayed, 0 at a "
                         r"rendezvous, \d+ joined so far; 1 peers; 0 MiB received, 0 MiB sent; "
                         r"accounting: 0 of 1024 MiB used until \d{4}-\d\d-\d\d 00:00 UTC$")
        self.assertNotIn("127.0.0.1", beats[-1])

    def test_soft_limit(self):
        """While only the soft limit is reached, that is what the line says."""
        _, address = self.relay(rest="[discovery]\nbootstrap =\n[log]\nheartbeat = 2\n[accounting]\nlimit = 1G\n"
                                "soft_limit = 1k\n")
        host, port = address.rsplit(":", 1)
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            for _ in range(2):
                sock.sendto(bytes(1000), (host, int(port)))
        self.until(lambda: "limit reached" in self.log())
        self.assertRegex(self.log(), "accounting: 0 of 1024 MiB used until .* UTC, soft limit reached\n")

    def test_names_that_do_not_resolve(self):
        with socket.socket(type=socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            rest = (f"[exit]\ndns_servers = 127.0.0.1:{silent.getsockname()[1]}\ndns_timeout = 0.5\n[discovery]\n"
                    "bootstrap = ")
            self.relay(rest=rest + "server.test:1, 127.0.0.1:1\n")
            self.until(lambda: "1 of 2 bootstrap servers have names that do not resolve" in self.log())
            os.chmod(self.folder, 0o755)  # whoever root became reads the file again
            self.config(rest=rest + "127.0.0.1:1\n")
            self.ask("reload")
            self.until(lambda: "all bootstrap servers have addresses now" in self.log())
            self.assertEqual(self.log().count("do not resolve"), 1)


class Close(Steering):
    def test_close(self):
        _, address = self.relay()
        self.client(address)
        self.assertIn("no circuit with this id", self.refused("close", "1"))
        ids = [row["circuit_id"] for row in self.ask("status", "circuits")]
        self.assertEqual(self.ask("close", str(ids[0])), {"closed": 1})
        # The client was told, and builds another one.
        self.until(lambda: len({row["circuit_id"] for row in self.ask("status", "circuits")} - set(ids)) == 1, 10)
        for args, word in (([], "one circuit"), (["x"], "4294967295")):
            result = peel("close", "-s", "x", *args)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(word, result.stderr)


class Accounting(Steering):
    """Limits of a period, over a restart. What the client's circuits exchange is enough to reach them."""

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o777)  # whoever root becomes must get at the file

    def with_limits(self, limits):
        return f"[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\n[accounting]\nstate = {self.path('used')}\n{limits}"

    def used(self):
        return self.status()["accounting"]

    def test_limits(self):
        relay, address = self.relay(rest=self.with_limits("count = sum\n"))
        self.client(address)
        self.until(lambda: self.used()["used"] > 2500)
        used = self.used()
        self.assertEqual((used["stage"], used["limit"], used["kept"]), ("open", 0, True))
        self.assertEqual(used["used"], used["sent"] + used["received"])
        self.assertLess(used["begin"], time.time())
        self.assertGreater(used["end"], time.time())
        # No new circuits.
        self.config(rest=self.with_limits("count = sum\nsoft_limit = 2k\n"))
        self.assertEqual(self.ask("reload")["changed"], ["[accounting] soft_limit"])
        status = self.status()
        self.assertEqual((status["accounting"]["stage"], status["flags"]), ("soft", []))
        self.assertEqual(status["circuits"]["exits"], 8)
        self.assertIsNone(status["drain"])
        self.assertIn("accounting: the soft limit is reached", self.log())
        # Nothing passes.
        self.config(rest=self.with_limits("count = sum\nlimit = 2k\n"))
        self.ask("reload")
        self.assertEqual(self.used()["stage"], "closed")
        self.until(lambda: self.status()["counters"]["drops"]["drop_accounting"] > 0)
        relay.terminate()
        self.assertEqual(relay.wait(10), 0)
        # It is still closed after a restart, and opens with another limit.
        before = os.stat(self.path("used")).st_size
        self.assertIn(before, (56, 112))
        relay, _ = self.relay(rest=self.with_limits("count = sum\nlimit = 2k\n"))
        self.assertEqual((self.used()["stage"], self.status()["flags"]), ("closed", []))
        self.assertGreaterEqual(self.used()["used"], used["used"])
        self.config(rest=self.with_limits("count = sum\nlimit = 1G\n"))
        self.ask("reload")
        self.assertEqual((self.used()["stage"], self.status()["flags"]), ("open", ["relay", "exit_bt", "speed_test"]))
        self.assertIn("circuits are welcome again", self.log())

    def test_damaged_state(self):
        self.write("used", "x" * 112)
        os.chmod(self.path("used"), 0o666)
        self.relay(rest=self.with_limits("limit = 1G\n"))
        self.assertEqual(self.used()["stage"], "open")
        self.assertIn("is damaged: this period begins with nothing used", self.log())


if __name__ == "__main__":
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=2)
