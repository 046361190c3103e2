# SPDX-License-Identifier: BSD-3-Clause
"""Opening and closing, at good and bad moments."""

import gc
import os
import socket
import subprocess
import sys
import threading
import time
import types
import unittest
import weakref

from endpoints import PREFIX, Sink, message, opened, plain_socket
from ipv8_rust_tunnels import EndpointNotOpenError
from peel_ipv8._peel import _Endpoint
from test_calls import circuit, keys, relay

ADDRESS = ("127.0.0.1", 9)
# Every method that needs an open endpoint, with arguments that would do.
NEED_OPEN = [("get_address",), ("send", ADDRESS, b"x"), ("send_cell", ADDRESS, b"x" * 40),
             ("add_circuit", 1, object()), ("update_circuit", 1, object()), ("update_circuit_stats", 1, object()),
             ("remove_circuit", 1), ("add_relay", 1, object()), ("update_relay_stats", 1, object()),
             ("remove_relay", 1), ("add_exit", 1, object()), ("update_exit_stats", 1, object()), ("remove_exit", 1),
             ("get_socket_statistics",), ("set_prefix", PREFIX), ("set_prefixes", [PREFIX]),
             ("set_max_relay_early", 8), ("set_peer_flags", {1}), ("set_exit_address", ADDRESS),
             ("create_socks5_server", 0, 1), ("set_udp_associate_default_remote", ADDRESS, 1),
             ("get_associated_circuits", 1), ("get_peers_for_circuit", 1),
             ("run_speedtest", 1, 10, 10, 10, 10, print, 0)]


def own_threads():
    return len(os.listdir("/proc/self/task"))


class Life(unittest.TestCase):
    def assert_not_open(self, endpoint):
        self.assertFalse(endpoint.is_open())
        for name, *args in NEED_OPEN:
            with self.subTest(name), self.assertRaises(EndpointNotOpenError):
                getattr(endpoint, name)(*args)
        self.assertEqual(endpoint.get_socks5_statistics(), [])
        self.assertEqual(endpoint.get_message_statistics(PREFIX), {})
        self.assertEqual(len(endpoint.get_byte_counters()), 2)
        self.assertIsNone(endpoint.close(1))

    def test_not_open_before_and_after(self):
        endpoint = _Endpoint("127.0.0.1", 0)
        self.assert_not_open(endpoint)
        self.assertTrue(endpoint.open(Sink(), 1))
        self.assertTrue(endpoint.is_open())
        endpoint.close(1)
        self.assert_not_open(endpoint)

    def test_every_method_is_known_here(self):
        known = {name for name, *_ in NEED_OPEN} | {
            "open", "close", "is_open", "get_socks5_statistics", "get_message_statistics", "get_byte_counters"}
        self.assertEqual({name for name in dir(_Endpoint) if not name.startswith("_")}, known)

    def test_open_twice(self):
        with opened() as (endpoint, _):
            address = endpoint.get_address()
            self.assertIs(endpoint.open(Sink(), 1), False)
            self.assertEqual(endpoint.get_address(), address)

    def test_close_twice_and_open_again(self):
        endpoint, sink = _Endpoint("127.0.0.1", 0), Sink()
        with plain_socket() as sock:
            for round_number in range(1, 4):
                self.assertIs(endpoint.open(sink, 1), True)
                endpoint.set_prefixes([PREFIX])
                sock.sendto(message(), endpoint.get_address())
                sink.wait(round_number)
                endpoint.close(1)
                endpoint.close(1)

    def test_nothing_stays(self):
        with opened():
            pass  # what the process keeps is there now
        threads, files = own_threads(), len(os.listdir("/proc/self/fd"))
        for _ in range(10):
            with opened():
                pass
        self.assertEqual((own_threads(), len(os.listdir("/proc/self/fd"))), (threads, files))

    def test_port_taken(self):
        with opened() as (first, _):
            host, port = first.get_address()
            with opened(host, port) as (second, _), opened(host, port) as (third, _):
                ports = [second.get_address()[1], third.get_address()[1]]
            self.assertGreater(ports[0], port)
            self.assertGreater(ports[1], ports[0])
            self.assertLess(ports[1], port + 1000)

    def test_addresses_that_cannot_be(self):
        for host in ("localhost", "", "1.2.3", "192.0.2.1"):  # the last is not of this machine
            with self.subTest(host):
                endpoint = _Endpoint(host, 0)
                self.assertIs(endpoint.open(Sink(), 1), False)
                self.assertFalse(endpoint.is_open())

    def test_any_address(self):
        with opened("0.0.0.0") as (endpoint, sink), plain_socket() as sock:
            host, port = endpoint.get_address()
            self.assertEqual(host, "0.0.0.0")
            sock.sendto(message(), ("127.0.0.1", port))
            self.assertEqual(sink.wait(1)[0], (*sock.getsockname(), message()))

    def test_numbers_of_threads(self):
        for threads in (0, 1, 4, 1000):
            with self.subTest(threads), opened(threads=threads) as (endpoint, sink), plain_socket() as sock:
                sock.sendto(message(), endpoint.get_address())
                sink.wait(1)

    def test_close_under_load(self):
        """Nothing is called back after close(), whatever still comes in."""
        stop = threading.Event()

        def flood(address):
            with plain_socket() as sock:
                while not stop.is_set():
                    for _ in range(20):
                        sock.sendto(message(), address)
                    time.sleep(0.001)

        endpoint, sink = _Endpoint("127.0.0.1", 0), Sink()
        for _ in range(5):
            self.assertTrue(endpoint.open(sink, 1))
            endpoint.set_prefixes([PREFIX])
            stop.clear()
            flooder = threading.Thread(target=flood, args=(endpoint.get_address(),))
            flooder.start()
            try:
                sink.wait(len(sink.got) + 100)
                endpoint.close(1)
                count = len(sink.got)
                time.sleep(0.1)
                self.assertEqual(len(sink.got), count)
            finally:
                stop.set()
                flooder.join()

    def test_calls_while_another_thread_closes(self):
        for _ in range(20):
            endpoint = _Endpoint("127.0.0.1", 0)
            self.assertTrue(endpoint.open(Sink(), 1))
            closing = threading.Thread(target=endpoint.close, args=(1,))
            closing.start()
            try:
                for _ in range(1000):
                    endpoint.send(ADDRESS, b"x")
            except EndpointNotOpenError:
                pass
            closing.join()
            self.assertFalse(endpoint.is_open())

    def test_tasks_go_on_until_it_is_closed(self):
        """py-ipv8 closes in a thread, and its overlays learn of it afterwards."""
        endpoint, entered, leave = _Endpoint("127.0.0.1", 0), threading.Event(), threading.Event()

        def linger(*_):
            entered.set()
            leave.wait(10)

        self.assertTrue(endpoint.open(linger, 1))
        address = endpoint.get_address()
        endpoint.set_prefixes([PREFIX])
        with plain_socket() as sock:
            sock.sendto(message(), address)
            self.assertTrue(entered.wait(10))
        closing = threading.Thread(target=endpoint.close, args=(1,))  # waits for the callback
        closing.start()
        time.sleep(0.1)
        try:
            self.assertTrue(endpoint.is_open())
            self.assertIs(endpoint.open(Sink(), 1), False)
            self.assertEqual(endpoint.get_address(), address)
            self.assertEqual(endpoint.get_peers_for_circuit(1), [])
            self.assertEqual(endpoint.get_associated_circuits(1), ())
            for name, *args in NEED_OPEN:
                if not name.startswith("get_") and name not in ("create_socks5_server", "run_speedtest"):
                    with self.subTest(name):
                        self.assertIsNone(getattr(endpoint, name)(*args))
            for name, *args in (("get_socket_statistics",), ("create_socks5_server", 0, 1),
                                ("run_speedtest", 1, 10, 10, 10, 10, print, 0)):
                with self.subTest(name), self.assertRaises(EndpointNotOpenError):
                    getattr(endpoint, name)(*args)
        finally:
            self.assertTrue(closing.is_alive())
            leave.set()
            closing.join()
        self.assert_not_open(endpoint)

    def test_close_while_an_object_is_read(self):
        """Attributes of py-ipv8's objects are properties: Python code, while which other threads have their turn."""
        class Peer:
            @property
            def address(self):
                thread = threading.Thread(target=endpoint.close, args=(1,))
                thread.start()
                thread.join()
                return ADDRESS

        class Flags(set):
            def __iter__(self):
                endpoint.close(1)
                return iter(())

        hop = types.SimpleNamespace(peer=Peer(), keys=keys())
        for name, *args in (("add_circuit", 1, circuit(_hops=[hop])), ("update_circuit", 1, circuit(_hops=[hop])),
                            ("add_relay", 1, relay(hop=hop)), ("add_exit", 1, types.SimpleNamespace(hop=hop)),
                            ("set_peer_flags", Flags())):
            endpoint = _Endpoint("127.0.0.1", 0)
            self.assertTrue(endpoint.open(Sink(), 1))
            with self.subTest(name), self.assertRaises(EndpointNotOpenError):
                getattr(endpoint, name)(*args)
            self.assertFalse(endpoint.is_open())

    def test_open_without_init(self):
        with self.assertRaises(RuntimeError):
            _Endpoint.__new__(_Endpoint).open(Sink(), 1)

    def test_close_in_a_callback(self):
        endpoint = _Endpoint("127.0.0.1", 0)
        closed = threading.Event()

        def close(*_):
            endpoint.close(1)
            closed.set()

        self.assertTrue(endpoint.open(close, 1))
        endpoint.set_prefixes([PREFIX])
        with plain_socket() as sock:
            sock.sendto(message(), endpoint.get_address())
            self.assertTrue(closed.wait(10))
        self.assertFalse(endpoint.is_open())

    def test_a_forgotten_endpoint_ends(self):
        class Owner:
            def __init__(self):
                self.endpoint = _Endpoint("127.0.0.1", 0)
                self.endpoint.open(self.on_datagram, 1)

            def on_datagram(self, *_):
                pass

        with opened():
            pass
        threads = own_threads()
        owner = Owner()
        port = owner.endpoint.get_address()[1]
        gone = weakref.ref(owner)
        del owner
        gc.collect()
        self.assertIsNone(gone())
        end = time.monotonic() + 10
        while own_threads() > threads and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(own_threads(), threads)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", port))

    def test_a_callback_that_raises(self):
        caught = []
        sink = Sink()

        def fail(*args):
            sink(*args)
            raise ZeroDivisionError

        hook, sys.unraisablehook = sys.unraisablehook, caught.append
        try:
            endpoint = _Endpoint("127.0.0.1", 0)
            self.assertTrue(endpoint.open(fail, 1))
            endpoint.set_prefixes([PREFIX])
            with plain_socket() as sock:
                for _ in range(3):
                    sock.sendto(message(), endpoint.get_address())
                sink.wait(3)
            endpoint.close(1)
        finally:
            sys.unraisablehook = hook
        self.assertEqual([each.exc_type for each in caught], [ZeroDivisionError] * 3)

    def ends(self, code):
        """A program that ends in order, and what it printed."""
        start = ("import os, socket, sys, threading, time\nfrom peel_ipv8._peel import _Endpoint\n"
                 "e = _Endpoint('127.0.0.1', 0)\n"
                 f"def use():\n    e.set_prefixes([{PREFIX!r}])\n    s = socket.socket(type=socket.SOCK_DGRAM)\n"
                 f"    while True: s.sendto({message()!r}, address)\n")
        done = subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_a_program_that_ends_without_closing(self):
        got = self.ends("n = []\nassert e.open(lambda *a: n.append(a), 1)\naddress = e.get_address()\n"
                        "threading.Thread(target=use, daemon=True).start()\n"
                        "while len(n) < 100: time.sleep(0.01)\nprint('end')\n")
        self.assertEqual(got, ["end"])

    def test_a_child_of_fork_ends(self):
        got = self.ends("assert e.open(print, 1)\nif os.fork() == 0:\n    sys.exit(0)\n"
                        "print(os.wait()[1], e.is_open())\n")
        self.assertEqual(got, ["0", "True"])

    def test_a_child_of_fork_does_not_wait_for_what_its_parent_closes(self):
        got = self.ends("import signal\nclosing = threading.Event()\n"
                        "def close(*a):\n    e.close(1)\n    closing.set()\n    time.sleep(1)\n"
                        "assert e.open(close, 1)\naddress = e.get_address()\n"
                        "threading.Thread(target=use, daemon=True).start()\nclosing.wait()\n"
                        "if os.fork() == 0:\n    signal.alarm(10)\n    sys.exit(0)\n"
                        "print(os.wait()[1])\n")
        self.assertEqual(got, ["0"])

    def test_a_child_of_fork_has_no_open_endpoint(self):
        got = self.ends("assert e.open(print, 1)\nif os.fork() == 0:\n"
                        "    try: e.send(('127.0.0.1', 9), b'x')\n"
                        "    except Exception as error: print(type(error).__name__)\n"
                        "    print(e.is_open(), e.get_socks5_statistics(), e.get_byte_counters()[0])\n"
                        "    sys.exit(0)\n"
                        "print(os.wait()[1], e.is_open())\n")
        self.assertEqual(got, ["EndpointNotOpenError", "False", "[]", "0", "0", "True"])

    def test_no_privileges(self):
        if os.getuid() != 0:
            self.skipTest("it is so anyway")
        got = self.ends("os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\nprint(e.open(print, 1))\ne.close(1)\n")
        self.assertEqual(got, ["True"])


if __name__ == "__main__":
    unittest.main()
