# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams that are no cells: which come through, and how they are counted."""

import asyncio
import random
import threading
import time
import unittest

from endpoints import OTHER, PREFIX, Sink, message, opened, plain_socket
from interop.net import have_ipv6, until
from peel_ipv8._peel import _Endpoint


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


class Program:
    """Leaves datagrams in the queue of its event loop, as py-ipv8's endpoint does."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.called, self.got = 0, []

    def datagram_received(self, host, port, data):
        self.called += 1
        self.loop.call_soon_threadsafe(self.got.append, data)


class Backlog(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.program, self.endpoint = Program(), _Endpoint("127.0.0.1", 0)
        self.assertTrue(self.endpoint.open(self.program.datagram_received, 1))
        self.endpoint.set_prefixes([PREFIX])

    async def asyncTearDown(self):
        await asyncio.to_thread(self.endpoint.close, 1)

    def flood(self, count):
        address = self.endpoint.get_address()
        with plain_socket() as sock:
            for number in range(count):
                sock.sendto(message(size=100 + number % 7), address)
                if number % 50 == 0:
                    time.sleep(0.002)  # for other threads

    async def came(self, count):
        await until(lambda: len(self.program.got) >= count, 10, "they do not come", 0.005)

    async def test_what_waits_in_the_loop_is_bounded(self):
        for _ in range(2):
            before, end = self.program.called, time.monotonic() + 20
            while self.program.called - before <= 850 and time.monotonic() < end:
                self.flood(500)  # the loop stands still meanwhile
            self.flood(5000)
            self.assertGreater(self.program.called - before, 850)
            self.assertLess(self.program.called - before, 1200)
            await self.came(self.program.called)
            await asyncio.sleep(1)
        # It goes on, and what comes is in order.
        got, sizes = len(self.program.got), [100 + number % 7 for number in range(100)]
        for round_number in range(1, 6):
            await asyncio.to_thread(self.flood, 100)
            await self.came(got + 100 * round_number)
        self.assertEqual([len(data) for data in self.program.got[got:]], sizes * 5)

    async def test_nothing_is_lost_while_the_loop_keeps_up(self):
        for start in range(0, 20000, 200):
            await asyncio.to_thread(self.flood, 200)
            await self.came(start + 200)

    async def test_close_while_the_loop_stands_still(self):
        self.flood(3000)
        self.endpoint.close(1)
        self.assertFalse(self.endpoint.is_open())

    async def test_a_loop_that_was_closed(self):
        """Nobody takes datagrams from its queue any more; it is not waited for."""
        loop = asyncio.new_event_loop()
        loop.close()
        endpoint, sink = _Endpoint("127.0.0.1", 0), Sink()
        sink.loop = loop
        self.assertTrue(endpoint.open(sink.__call__, 1))
        endpoint.set_prefixes([PREFIX])
        with plain_socket() as sock:
            for number in range(1, 61):
                for _ in range(50):
                    sock.sendto(message(), endpoint.get_address())
                sink.wait(50 * number)
        endpoint.close(1)


class Statistics(unittest.TestCase):
    def becomes(self, ask, wanted):
        """What was sent is counted a moment later, by the thread that sends it."""
        end = time.monotonic() + 10
        while ask() != wanted and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(ask(), wanted)

    def test_messages(self):
        with opened(prefixes=(PREFIX, OTHER)) as (endpoint, sink), plain_socket() as sock:
            for number, size in ((1, 100), (1, 200), (246, 50)):
                sock.sendto(message(number, size=size), endpoint.get_address())
            endpoint.send(sock.getsockname(), message(1, size=70))
            endpoint.send(sock.getsockname(), message(5, prefix=OTHER, size=80))
            sink.wait(3)
            self.becomes(lambda: endpoint.get_message_statistics(PREFIX), {1: [1, 70, 2, 300], 246: [0, 0, 1, 50]})
            self.becomes(lambda: endpoint.get_message_statistics(OTHER), {5: [1, 80, 0, 0]})
            self.assertEqual(endpoint.get_message_statistics(bytes(22)), {})
            self.assertEqual(endpoint.get_message_statistics(b""), {})

    def test_totals(self):
        with opened() as (endpoint, sink), plain_socket() as sock:
            sock.sendto(message(size=100), endpoint.get_address())
            sock.sendto(b"of nobody", endpoint.get_address())
            sock.sendto(message(size=60), endpoint.get_address())
            endpoint.send(sock.getsockname(), b"12345")
            sink.wait(2)
            self.becomes(endpoint.get_socket_statistics, (1, 5, 3, 169))
            self.assertEqual(endpoint.get_byte_counters(), (5, 169))
            endpoint.close(1)
            self.assertEqual(endpoint.get_byte_counters(), (5, 169))


if __name__ == "__main__":
    unittest.main()
