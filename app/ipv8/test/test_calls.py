# SPDX-License-Identifier: BSD-3-Clause
"""The same calls to the endpoint that is replaced and to the one that replaces it have the same answers."""

import importlib.util
import types
import unittest

from endpoints import PREFIX, opened
from ipv8_rust_tunnels import _rust
from peel_ipv8._peel import _Endpoint

A = ("127.0.0.1", 9)


def rust_class():
    """The Rust class, from a second copy of its module: the first has Peel's."""
    spec = importlib.util.spec_from_file_location("_rust", _rust.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._Endpoint


def keys():
    return types.SimpleNamespace(key_forward=b"f" * 32, key_backward=b"b" * 32, salt_forward=b"abcd",
                                 salt_backward=b"efgh", salt_explicit_forward=1, salt_explicit_backward=1)


def hop(host="127.0.0.1", **changes):
    return types.SimpleNamespace(peer=types.SimpleNamespace(address=(host, 9)), **{"keys": keys(), **changes})


def circuit(**changes):
    return types.SimpleNamespace(**{"_hops": [hop()], "hs_session_keys": None, "goal_hops": 1, "ctype": "DATA",
                                    "exit_flags": [1, 2], "bytes_up": 0, "bytes_down": 0, "last_activity": 0.0, **changes})


def relay(**changes):
    return types.SimpleNamespace(**{"circuit_id": 8, "direction": 0, "hop": hop(), "rendezvous_relay": False, **changes})


SAME = [
    ("is_open",), ("get_socks5_statistics",), ("get_message_statistics", b"short"), ("get_message_statistics", PREFIX),
    ("get_byte_counters",), ("get_socket_statistics",),
    ("send", ("::ffff:127.0.0.1", 9, 0, 0), b"x"), ("send", ("localhost", 9), b"x"), ("send", ("127.0.0.1", "9"), b"x"),
    ("send", ["127.0.0.1", 9], b"x"), ("send", A, bytearray(b"x")), ("send", A), ("send", ("1.2.3\0.4", 9), b"x"),
    ("send", ("fe80::1%lo", 9), b"x"), ("send", (1, 9), b"x"), ("send", A, "text"),
    ("send_cell", A, b"x"), ("send_cell", A, b"x" * 50), ("send_cell", ("localhost", 9), b"x"),
    ("send_cell", A, b"\x01" * 22 + b"\0\0\0\0\7\0\0\1data"),
    ("set_prefix", PREFIX), ("set_prefix", "text"), ("set_prefixes", []), ("set_prefixes", [b"x"]),
    ("set_prefixes", (PREFIX,)), ("set_prefixes", [PREFIX] * 300),
    ("set_peer_flags", {1, 2, 4, 8, 32768, 64}), ("set_peer_flags", [1]), ("set_peer_flags", frozenset({1})),
    ("set_peer_flags", {1 << 20}), ("set_peer_flags", {"1"}), ("set_peer_flags", set()),
    ("set_max_relay_early", 8), ("set_max_relay_early", 300), ("set_max_relay_early", "8"), ("set_max_relay_early", -1),
    ("set_exit_address", ("127.0.0.1", 0)), ("set_exit_address", ("::", 0)), ("set_exit_address", ("here", 0)),
    ("add_circuit", 1, object()), ("add_circuit", 1, circuit()), ("add_circuit", 2, circuit(_hops=[])),
    ("add_circuit", 3, circuit(ctype="ANOTHER")), ("add_circuit", -1, circuit()), ("add_circuit", 1 << 32, circuit()),
    ("add_circuit", "1", circuit()), ("add_circuit", 4, circuit(goal_hops=-1)), ("add_circuit", 4, circuit(goal_hops=256)),
    ("add_circuit", 5, circuit(_hops=[hop("somewhere")])), ("add_circuit", 6, circuit(hs_session_keys=keys())),
    ("update_circuit", 1, circuit(_hops=[hop(), hop()])), ("update_circuit_stats", 99, object()),
    ("remove_circuit", 1), ("remove_circuit", 1), ("remove_circuit", 99),
    ("add_relay", 7, object()), ("add_relay", 7, relay()), ("add_relay", 8, relay(circuit_id=7, direction=1)),
    ("update_relay_stats", 99, object()), ("remove_relay", 7), ("remove_relay", 8), ("remove_relay", 99),
    ("add_exit", 9, object()), ("add_exit", 9, types.SimpleNamespace(hop=hop())), ("update_exit_stats", 99, object()),
    ("add_exit", 9, types.SimpleNamespace(hop=hop("::ffff:127.0.0.1"))), ("remove_exit", 9), ("remove_exit", 9),
    ("remove_exit", "9"), ("remove_exit", -1), ("get_peers_for_circuit", 1), ("get_associated_circuits", 1),
    ("create_socks5_server", 70000, 1), ("create_socks5_server", "0", 1),
    ("set_udp_associate_default_remote", A, 1), ("set_udp_associate_default_remote", ("here", 1), 1),
    ("run_speedtest", "1", 10, 10, 10, 10, print, 0),
]
# Where the Rust class would do what its caller cannot bear: endpoint.py expects a ValueError of all that send() can raise.
BETTER = [
    ("send", ("127.0.0.1", 70000), b"x"), ("send", ("127.0.0.1", -1), b"x"), ("set_prefix", b"short"),
]


def answer(endpoint, name, args):
    try:
        result = getattr(endpoint, name)(*args)
    except Exception as error:
        names = [each.__name__ for each in type(error).__mro__]
        return [name for name in ("InvalidAddressError", "OverflowError", "TypeError", "AttributeError", "ValueError")
                if name in names][0]
    return result


class Calls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.endpoints = rust_class()("127.0.0.1", 0), _Endpoint("127.0.0.1", 0)
        for endpoint in cls.endpoints:
            assert endpoint.open(lambda *_: None, 1)

    @classmethod
    def tearDownClass(cls):
        for endpoint in cls.endpoints:
            endpoint.close(1)

    def test_they_are_two(self):
        rust, peel = map(type, self.endpoints)
        self.assertNotEqual(rust, peel)
        self.assertEqual({name for name in dir(rust) if name[0] != "_"}, {name for name in dir(peel) if name[0] != "_"})

    def test_same_answers(self):
        for name, *args in SAME:
            with self.subTest(name, args=args):
                rust, peel = [answer(endpoint, name, args) for endpoint in self.endpoints]
                if name in ("get_byte_counters", "get_socket_statistics"):
                    rust, peel = [(type(each), len(each), *map(type, each)) for each in (rust, peel)]
                self.assertEqual(peel, rust)

    def test_better_answers(self):
        for name, *args in BETTER:
            with self.subTest(name, args=args):
                self.assertEqual(answer(self.endpoints[1], name, args), "ValueError")

    def test_init(self):
        self.assertIsNotNone(_Endpoint(listen_addr="127.0.0.1", port=1))
        for args, kind in (((1, 1), TypeError), (("127.0.0.1",), TypeError), (("127.0.0.1", 1, 2), TypeError),
                           (("127.0.0.1", 70000), OverflowError), (("127.0.0.1", "1"), TypeError)):
            with self.subTest(args=args), self.assertRaises(kind):
                _Endpoint(*args)

    def test_port_of_a_listener_is_taken(self):
        with opened() as (endpoint, _):
            port = endpoint.create_socks5_server(0, 1)
            with self.assertRaises(OSError):
                endpoint.create_socks5_server(port, 1)
            self.assertEqual(endpoint.get_socks5_statistics(), [{"port": port, "hops": 1, "associates": 0}])


if __name__ == "__main__":
    unittest.main()
