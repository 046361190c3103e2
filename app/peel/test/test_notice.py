# SPDX-License-Identifier: BSD-3-Clause
"""The page of an exit that says what it is. Usage: test_notice.py PEEL NOTICE"""

import html.parser
import http.client
import os
import resource
import socket
import subprocess
import sys
import tempfile
import unittest

from folder import Folder, free_port

PEEL = NOTICE = None


class Notice(Folder):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.config, self.page = self.path("relay.ini"), self.path("notice.html")
        subprocess.run([PEEL, "keygen", self.path("key")], check=True, stdout=subprocess.DEVNULL)
        os.chmod(self.folder, 0o755)  # whoever root becomes reads it again

    def put(self, text, mode="w"):
        with open(self.page, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
            file.write(text)

    def configure(self, notice=None, rest="", node=""):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"[node]\nkey = {self.path('key')}\nmanagement = {self.path('sock')}\n{node}\n[port]\n"
                       f"listen = 127.0.0.1:0\n[discovery]\nbootstrap =\n[workers]\nhugepages = no\n[exit]\n"
                       f"notice = {self.page if notice is None else notice}\nnotice_listen = 127.0.0.1:{self.port}\n{rest}")

    def start(self):
        process = self.spawn(PEEL, "relay", "-c", self.config, stderr=subprocess.PIPE)
        self.assertRegex(process.stdout.readline(), r"^ready ")
        return process

    def refused(self, *options):
        result = subprocess.run([PEEL, "relay", "-c", self.config, *options], capture_output=True, text=True, timeout=60,
                                check=False)
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    def reload(self):
        return subprocess.run([PEEL, "reload", "-c", self.config], capture_output=True, text=True, timeout=60, check=False)

    def get(self, path="/", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def test_page(self):
        with open(NOTICE, encoding="utf-8") as file:
            text = file.read()
        self.put(text)
        self.configure()
        self.start()
        answer, body = self.get(Host="exit.example")  # whatever name leads here
        self.assertEqual((answer.status, body), (200, text))
        self.assertEqual(answer.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer.headers["Content-Security-Policy"],
                         "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
                         "frame-ancestors 'none'")
        answer, body = self.get(method="HEAD")
        self.assertEqual((answer.status, body, int(answer.headers["Content-Length"])), (200, "", len(text.encode())))
        for path in ("/metrics", "/status", "/tunnel/peers", "/notice.html", "//", "/../key"):
            self.assertEqual(self.get(path)[0].status, 404, path)
        for method in ("POST", "PUT", "OPTIONS"):
            self.assertEqual(self.get(method=method)[0].status, 405)

    def test_the_sample_is_whole(self):
        """It needs nothing from elsewhere, and all that it opens is closed."""
        opened = []

        class Parser(html.parser.HTMLParser):
            def handle_starttag(self, tag, attrs):
                if tag not in ("meta", "br"):
                    opened.append(tag)
                for name, value in attrs:
                    if name in ("src", "href") and not value.startswith("mailto:"):
                        raise AssertionError(value)

            def handle_endtag(self, tag):
                if opened.pop() != tag:
                    raise AssertionError(tag)

        with open(NOTICE, encoding="utf-8") as file:
            Parser().feed(file.read())
        self.assertEqual(opened, [])

    def test_reload(self):
        """The file is read again, by a node that can open hardly any other; one that cannot be shown changes nothing."""
        self.put("first")
        self.configure()
        self.start()
        self.assertEqual(self.get()[1], "first")
        self.put("second")
        self.assertEqual(self.reload().returncode, 0)
        self.assertEqual(self.get()[1], "second")
        os.unlink(self.page)
        result = self.reload()
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"[exit] notice: cannot show {self.page}: No such file", result.stdout + result.stderr)
        self.assertEqual(self.get()[1], "second")
        other = self.path("other.html")
        with open(other, "w", encoding="utf-8") as file:
            file.write("third")
        self.configure(other)
        result = self.reload()
        self.assertEqual((result.returncode, "[exit] notice" in result.stdout), (0, True), result)
        self.assertEqual(self.get()[1], "third")
        # Where it is shown changes with a restart, as does that there is none.
        self.configure("")
        result = self.reload()
        self.assertIn("restart", result.stdout)
        self.assertEqual(self.get()[1], "third")

    def test_reload_of_a_node_that_cannot_change(self):
        """A node without memory for what else is new keeps its page as well, and says what it lacks."""
        node = "user = root" if os.geteuid() == 0 else ""  # nobody may limit another user's process
        self.put("first")
        self.configure(node=node)
        process = self.start()
        self.assertEqual(self.get()[1], "first")
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
            size = int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
        if size > 1 << 40:
            self.skipTest("sanitizers take more addresses than a limit could allow")
        # Enough for small things, not for accounts of so many hosts.
        limit = size + (128 << 20)
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
        self.put("second")
        self.configure(rest="circuit_destinations = 16384\n", node=node)
        result = self.reload()
        self.assertEqual((result.returncode, "Cannot allocate memory" in result.stdout + result.stderr), (1, True), result)
        self.assertEqual(self.get()[1], "first")

    def test_unreadable(self):
        """What root alone may read is told at the start, and why it makes a reload fail."""
        if os.geteuid() != 0:
            self.skipTest("only root becomes another user")
        self.put("first")
        os.chmod(self.page, 0o600)
        self.configure()
        process = self.start()
        self.assertEqual(self.get()[1], "first")
        why = f"{self.page}: Permission denied; the node runs as nobody, who must be able to read it and to enter its folder"
        for line in process.stderr:
            if "no reload will be possible: " + why in line:
                break
        else:
            self.fail("no warning")
        result = self.reload()
        self.assertEqual(result.returncode, 1)
        self.assertIn("[exit] notice: cannot show " + why, result.stderr)
        os.chmod(self.page, 0o644)
        self.assertEqual(self.reload().returncode, 0)

    def test_link(self):
        """A link to a page that is elsewhere is followed at a reload, too."""
        with tempfile.TemporaryDirectory(prefix="peel-test-") as elsewhere:
            os.chmod(elsewhere, 0o755)
            os.symlink(os.path.join(elsewhere, "page"), self.page)
            self.put("first")
            self.configure()
            self.start()
            self.put("second")
            result = self.reload()
            self.assertEqual(result.returncode, 0, result)
            self.assertEqual(self.get()[1], "second")

    def test_what_is_no_page(self):
        for content, why in ((b"", "it is empty"), (b"a" * 65537, "it has more than 64 kB"), (b"a\0b", "it is no text")):
            self.put(content, "wb")
            self.configure()
            for options in ([], ["--check"]):
                self.assertIn(f"cannot show {self.page}: {why}", self.refused(*options))
        self.put(b"a" * 65536, "wb")
        self.start()
        self.assertEqual(len(self.get()[1]), 65536)
        self.port = free_port()
        self.configure(self.folder)
        self.assertIn("it is not a file", self.refused("--check"))
        os.mkfifo(self.path("fifo"))
        self.configure(self.path("fifo"))
        self.assertIn("it is not a file", self.refused("--check"))

    def test_no_address(self):
        self.put("a")
        self.configure()
        with open(self.config, encoding="utf-8") as file:
            text = file.read().replace(f"127.0.0.1:{self.port}", "")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.assertIn("needs an address to be shown at", self.refused("--check"))

    def test_port_in_use(self):
        self.put("a")
        self.configure()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", self.port))
            sock.listen()
            self.assertRegex(self.refused(), r"\[exit\] notice_listen: cannot listen on 127.0.0.1:\d+: Address")

    def test_many_connections(self):
        """Whoever holds connections open does not keep others out."""
        self.put("a")
        self.configure()
        self.start()
        held = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(100)]
        for sock in held:
            self.addCleanup(sock.close)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=("127.0.0.2", 0))
        self.addCleanup(connection.close)
        connection.request("GET", "/")
        self.assertEqual(connection.getresponse().read(), b"a")


if __name__ == "__main__":
    NOTICE = sys.argv.pop(2)
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=2)
