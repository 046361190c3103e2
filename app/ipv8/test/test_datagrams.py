# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams that are no cells: which come through, and how they are counted."""

import random
import threading
import unittest

from endpoints import OTHER, PREFIX, message, opened, plain_socket
from interop.net import have_ipv6


class Datagrams(unittest.TestCase):
    def test_types(self):
        with opened() as (endpoint, sink), plain_socket() as sock:
            sock.sendto(message(), endpoint.get_address())
            (host, port, data), = sink.wait(1)
            self.assertEqual((type(host), type(port), type(data)), (str, int, bytes))
            self.assertEqual((host, port, data), (*sock.getsockname(), message()))
            self.assertNotIn(threading.get_ident(), sink.threads)

    def test_send(self):
        with opened() as (endpoint, _), plain_socket() as sock:
            for size in (0, 1, 23, 1400, 1472, 2048):
                endpoint.send(sock.getsockname(), b"y" * size)
                self.assertEqual(sock.recvfrom(65535), (b"y" * size, endpoint.get_address()))

    def test_mapped_addresses_are_ipv4(self):
        with opened() as (endpoint, _), plain_socket() as sock:
            host, port = sock.getsockname()
            endpoint.send((f"::ffff:{host}", port), b"here")
            self.assertEqual(sock.recv(100), b"here")

    def test_what_cannot_be_sent_raises_nothing(self):
        with opened() as (endpoint, _):
            endpoint.send(("2001:db8::1", 9), b"x")  # of another family
            endpoint.send(("127.0.0.1", 0), b"x")
            endpoint.send(("127.0.0.1", 9), b"x" * 70000)

    def test_ipv6(self):
        if not have_ipv6():
            self.skipTest("no IPv6 here")
        with opened("::1") as (endpoint, sink), plain_socket("::1") as sock:
            address = endpoint.get_address()
            self.assertEqual(address[0], "::1")
            sock.sendto(message(), address)
            self.assertEqual(sink.wait(1)[0], (*sock.getsockname()[:2], message()))
            endpoint.send(sock.getsockname()[:2], b"back")
            self.assertEqual(sock.recvfrom(100)[0], b"back")

    def test_order_of_a_neighbour(self):
        with opened() as (endpoint, sink), plain_socket() as sock:
            sent = [message(number % 200, size=30 + number % 1000) for number in range(2000)]
            for start in range(0, len(sent), 50):
                for data in sent[start:start + 50]:
                    sock.sendto(data, endpoint.get_address())
                sink.wait(start + 50)
            self.assertEqual([data for _, _, data in sink.got], sent)

    def test_only_prefixes(self):
        with opened(prefixes=(PREFIX, OTHER)) as (endpoint, sink), plain_socket() as sock:
            address = endpoint.get_address()
            for data in (b"", PREFIX[:21], b"\x00" * 60, message(prefix=PREFIX[::-1]), message(prefix=OTHER)):
                sock.sendto(data, address)
            self.assertEqual([data for _, _, data in sink.wait(1)], [message(prefix=OTHER)])
            endpoint.set_prefixes([PREFIX])
            sock.sendto(message(prefix=OTHER), address)
            sock.sendto(message(), address)
            self.assertEqual([data for _, _, data in sink.wait(2)], [message(prefix=OTHER), message()])

    def test_many_prefixes(self):
        """Tribler has an overlay for each service it seeds."""
        prefixes = [b"\x00\x02" + number.to_bytes(20, "big") for number in range(300)]
        with opened(prefixes=prefixes) as (endpoint, sink), plain_socket() as sock:
            for count, prefix in enumerate(prefixes, 1):
                sock.sendto(message(prefix=prefix), endpoint.get_address())
                sink.wait(count)
            self.assertEqual([data[:22] for _, _, data in sink.got], prefixes)

    def test_garbage(self):
        """Whatever comes, what is meant for the program comes through."""
        noise = random.Random(7)
        with opened() as (endpoint, sink), plain_socket() as sock:
            endpoint.set_prefix(PREFIX)
            address = endpoint.get_address()
            for round_number in range(1, 41):
                for _ in range(25):
                    head = noise.choice([b"", PREFIX, PREFIX + b"\0", PREFIX[:noise.randrange(22)]])
                    sock.sendto(head + noise.randbytes(noise.randrange(1450)), address)
                sock.sendto(message(250, size=round_number + 23), address)
                while message(250, size=round_number + 23) not in [data for _, _, data in sink.got]:
                    sink.wait(len(sink.got) + 1)
            for _, _, data in sink.got:
                self.assertTrue(data.startswith(PREFIX))
                # A cell of no circuit of ours comes through only if it says that it is not sealed.
                self.assertTrue(data[22] != 0 or data[27] != 0, data[:40])


class Statistics(unittest.TestCase):
    def test_messages(self):
        with opened(prefixes=(PREFIX, OTHER)) as (endpoint, sink), plain_socket() as sock:
            for number, size in ((1, 100), (1, 200), (246, 50)):
                sock.sendto(message(number, size=size), endpoint.get_address())
            endpoint.send(sock.getsockname(), message(1, size=70))
            endpoint.send(sock.getsockname(), message(5, prefix=OTHER, size=80))
            sink.wait(3)
            self.assertEqual(endpoint.get_message_statistics(PREFIX), {1: [1, 70, 2, 300], 246: [0, 0, 1, 50]})
            self.assertEqual(endpoint.get_message_statistics(OTHER), {5: [1, 80, 0, 0]})
            self.assertEqual(endpoint.get_message_statistics(bytes(22)), {})
            self.assertEqual(endpoint.get_message_statistics(b""), {})

    def test_totals(self):
        with opened() as (endpoint, sink), plain_socket() as sock:
            sock.sendto(message(size=100), endpoint.get_address())
            sock.sendto(b"of nobody", endpoint.get_address())
            sock.sendto(message(size=60), endpoint.get_address())
            endpoint.send(sock.getsockname(), b"12345")
            sink.wait(2)
            self.assertEqual(endpoint.get_socket_statistics(), (1, 5, 3, 169))
            self.assertEqual(endpoint.get_byte_counters(), (5, 169))
            endpoint.close(1)
            self.assertEqual(endpoint.get_byte_counters(), (5, 169))


if __name__ == "__main__":
    unittest.main()
