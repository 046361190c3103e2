# SPDX-License-Identifier: BSD-3-Clause
"""Circuits of stock py-ipv8 nodes through, to and from nodes with Peel as their endpoint, as seen on the wire."""

import asyncio
import random
import time
import unittest

from interop.net import until
from interop.scenarios import complete
from interop.world import EXIT_FLAGS
from watched import CREATED, HEADER, KIND, Heard, Watch, talk_between_hops, test_requests, world

P, S = KIND, "python"


def salts(case, circuits):
    """They never repeat in what one node seals with one key."""
    total = 0
    for circuit_id, cells in circuits.items():
        values = [cell.salt for cell in cells]
        case.assertEqual(len(set(values)), len(values), f"of circuit {circuit_id}: {values}")
        total += len(values)
    return total


class Salts(unittest.IsolatedAsyncioTestCase):
    async def test_exit_becomes_relay(self):
        """It answers as the exit, then as a relay of three hops, with one key."""
        async with world([P, P, S], exit_flags=EXIT_FLAGS) as w:
            await w.settle()
            watch = Watch(w.origin)
            talk_between_hops(w.origin)
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
            await test_requests(w.origin, circuit, 10)
            complete(await w.origin.echo(circuit.circuit_id, "127.0.0.1", w.echo_port, range(2, 200)))
            self.assertGreater(salts(self, watch.sealed_from(w.relays[0])), 200)

    async def test_originator_adds_hops(self):
        """Each hop's key is used from the moment it joined; a salt of the hop itself is not used again."""
        async with world([S, S, S], P) as w:
            await w.settle()
            watches = [Watch(relay) for relay in w.relays]
            joined = Watch(w.origin)
            talk_between_hops(w.origin)
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
            await test_requests(w.origin, circuit, 10)
            before = [w.origin, *w.relays]
            for watch, previous in zip(watches, before):
                cells = watch.sealed_from(previous)
                self.assertGreaterEqual(salts(self, cells), 10)
            # The first hop sealed its candidates with our key to it.
            first = watches[0].sealed_from(w.origin)[circuit.circuit_id]
            created, = joined.plain_from(w.relays[0], CREATED)
            candidates = created.message[1 + 2 + 2 + int.from_bytes(created.message[3:5], "big") + 32:]
            self.assertNotIn(int.from_bytes(candidates[:8], "big"), {cell.salt for cell in first})

    async def test_many_small_circuits(self):
        """Each has a key of its own; so nothing is to be said but that none repeats."""
        async with world([P, P, P], P) as w:
            await w.settle()
            for _ in range(5):
                circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
                await test_requests(w.origin, circuit, 3)
                await w.origin.destroy(circuit.circuit_id)
            await w.empty()


class Early(unittest.IsolatedAsyncioTestCase):
    async def test_a_relay_limits_early_cells(self):
        """So a circuit cannot be longer than its relays allow."""
        async with world([P, S, S]) as w:
            await w.settle()
            watch = Watch(w.relays[1])
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys[:2])]
            before = len(watch.sealed_from(w.relays[0]))
            requests = []
            for _ in range(30):
                circuit.relay_early_count = 0  # every cell claims to be early
                requests.append(w.origin.tunnels.send_test_request(circuit, 10, 10))
            circuit.relay_early_count = 1000
            await test_requests(w.origin, circuit)
            answered = sum(request.done() for request in requests)
            self.assertTrue(0 < answered <= w.relays[0].tunnels.settings.max_relay_early, answered)
            cells = [cell for each in watch.sealed_from(w.relays[0]).values() for cell in each]
            early = sum(cell.relay_early for cell in cells)
            self.assertGreater(len(cells), before)
            self.assertLessEqual(early, w.relays[0].tunnels.settings.max_relay_early)
            self.assertGreater(early, 0)

    async def test_an_originator_marks_few(self):
        async with world([S, S, S], P) as w:
            await w.settle()
            watch = Watch(w.relays[0])
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
            await test_requests(w.origin, circuit, 30)
            cells = watch.sealed_from(w.origin)[circuit.circuit_id]
            self.assertLessEqual(sum(cell.relay_early for cell in cells), w.origin.tunnels.settings.max_relay_early)
            self.assertFalse(cells[-1].relay_early)


class Statistics(unittest.IsolatedAsyncioTestCase):
    async def test_objects_of_py_ipv8(self):
        """What py-ipv8 decides by: bytes, the last activity, and whether an exit has a socket."""
        async with world([P, P, P], P) as w:
            await w.settle()
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
            sizes = [1000] * 50
            first, _, last = w.relays
            exit_socket, = last.tunnels.exit_sockets.values()
            last.tunnels.endpoint.update_stats()
            self.assertIs(exit_socket.enabled, False)
            before = time.time()
            complete(await w.origin.echo(circuit.circuit_id, "127.0.0.1", w.echo_port, sizes))
            for peer in (w.origin, *w.relays):
                peer.tunnels.endpoint.update_stats()
            payload, overhead = sum(sizes), 50 * 200
            self.assertIs(exit_socket.enabled, True)
            relays = list(first.tunnels.relay_from_to.values())
            self.assertEqual(len(relays), 2)
            for thing in (circuit, exit_socket, *relays):
                for total in (thing.bytes_up, thing.bytes_down):
                    self.assertTrue(payload <= total < payload + overhead, total)
            for thing in (circuit, exit_socket, *relays):
                self.assertIsInstance(thing.bytes_up, int)
                self.assertTrue(before - 1 < thing.last_activity <= time.time())
            again = circuit.last_activity
            await asyncio.sleep(0.2)
            w.origin.tunnels.endpoint.update_stats()
            self.assertAlmostEqual(circuit.last_activity, again, delta=0.15)

    async def test_idle_circuits_stay(self):
        """py-ipv8 pings every 7.5 s, and ends what it thinks is idle: it sees the activity that we report."""
        short = {"max_time_inactive": 10}
        async with world([P, P, P], P, relay_settings=short, origin_settings=short) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            await asyncio.sleep(20)
            self.assertTrue(await w.origin.alive(circuit))
            complete(await w.origin.echo(circuit, "127.0.0.1", w.echo_port, [100]))

    async def test_cells_are_messages(self):
        async with world([P, S, S]) as w:
            await w.settle()
            circuit = w.origin.tunnels.circuits[await w.origin.build(w.keys)]
            await test_requests(w.origin, circuit, 20)
            endpoint = w.relays[0].tunnels.endpoint
            stat = endpoint.get_statistics(w.origin.tunnels.get_prefix())[0]
            # Both neighbours sent each request or answer, and both were passed on; and how the circuit was made.
            self.assertGreaterEqual(stat.num_up, 40)
            self.assertGreaterEqual(stat.num_down, 40)
            self.assertGreater(stat.bytes_up, 20 * 300)
            self.assertGreater(stat.bytes_down, 20 * 300)


class Programs(unittest.IsolatedAsyncioTestCase):
    """What Tribler asks of the endpoint's SOCKS servers and speed tests."""

    async def test_socks(self):
        async with world([P, S, P], P) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            endpoint = w.origin.tunnels.endpoint
            self.assertEqual(endpoint.get_socks5_statistics(), [])
            complete(await w.origin.echo(circuit, "127.0.0.1", w.echo_port, range(2, 300)))
            server, = endpoint.get_socks5_statistics()
            self.assertEqual(server, {"port": server["port"], "hops": 3, "associates": 1})
            self.assertEqual(endpoint.get_peers_for_circuit(circuit), [("127.0.0.1", w.echo_port)])
            self.assertEqual(endpoint.get_peers_for_circuit(circuit + 1), [])
            self.assertEqual(tuple(endpoint.get_associated_circuits(w.origin.socks[3].relay[1])), (circuit,))
            w.origin.socks.pop(3).close()
            await until(lambda: endpoint.get_socks5_statistics()[0]["associates"] == 0, 10,
                        "an association outlived its TCP connection")

    async def test_speed(self):
        async with world([P, S, P], P) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            sent, received = await w.origin.speed_rust(circuit, 500)
            self.assertGreater(sent, 10)
            self.assertGreater(received, sent // 2)

    async def test_speed_of_a_circuit_that_ends(self):
        async with world([P, S, P], P) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            reports = []
            w.origin.tunnels.endpoint.run_speedtest(circuit, 60_000, 100, 100, 50, lambda *a: reports.append(a), 100)
            await until(lambda: len(reports) > 3, 10, "no reports")
            await w.origin.destroy(circuit)
            await until(lambda: reports[-1][1], 20, "no last report")
            self.assertEqual([done for _, done in reports].count(True), 1)
            # Tribler looks for what is new in each, in vain if there is nothing.
            sizes = [len(answers) for answers, _ in reports]
            self.assertEqual(sizes, sorted(set(sizes)))
            answers, _ = reports[-1]
            for number, (sent_ms, sent, received_ms, received) in answers.items():
                self.assertIsInstance(number, int)
                self.assertLess(abs(sent_ms - time.time() * 1000), 60_000)
                self.assertGreater(sent, 100)
                self.assertEqual(received_ms > 0, received > 0)


class Strangers(unittest.IsolatedAsyncioTestCase):
    async def test_garbage_for_a_live_circuit(self):
        async with world([P, P, P], P) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            noise = random.Random(3)
            nodes = [w.origin, *w.relays]
            ids = {circuit, *(cid for relay in w.relays for cid in (*relay.tunnels.relay_from_to, *relay.tunnels.exit_sockets))}
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
            prefix = w.origin.tunnels.get_prefix() + b"\0"
            for number in range(2000):
                node = noise.choice(nodes)
                head = noise.choice(list(ids)).to_bytes(4, "big") + bytes([noise.choice((0, 0, 0, 1)), noise.choice((0, 1))])
                transport.sendto(prefix + head + noise.randbytes(noise.randrange(200)), (node.ip, node.port))
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            transport.close()
            complete(await w.origin.echo(circuit, "127.0.0.1", w.echo_port, range(2, 300)))
            self.assertEqual(HEADER, len(prefix) + 6)

    async def test_an_exit_sends_itself_no_cells(self):
        """A create that comes from the exit's own address would be answered to it; messages of hidden services may."""
        async with world([P], exit_flags=EXIT_FLAGS) as w:
            await w.settle()
            exit_, origin = w.relays[0], w.origin.tunnels
            circuit = origin.circuits[await w.origin.build(w.keys)]
            heard = Heard(exit_)
            prefix = origin.get_prefix()
            peers_request = prefix + b"\x11" + bytes(26)
            for payload in [prefix + bytes([number]) + b"\0\0\0\7\1\0\2" + bytes(150) for number in (0, 1, 10, 250)]:
                for _ in range(3):
                    origin.send_data(circuit.hop.address, circuit.circuit_id, (exit_.ip, exit_.port), ("0.0.0.0", 0), payload)
            origin.send_data(circuit.hop.address, circuit.circuit_id, (exit_.ip, exit_.port), ("0.0.0.0", 0), peers_request)
            await until(lambda: peers_request in heard.datagrams, 10, "the exit does not send to itself")
            others = [data for data in heard.datagrams if data.startswith(prefix) and data[23:27] == b"\0\0\0\7"]
            self.assertEqual(others, [])

    async def test_close_while_circuits_carry(self):
        """A node in the middle leaves under load: its neighbours hear of it, and it ends at once."""
        async with world([P, P, P], P) as w:
            await w.settle()
            circuit = await w.origin.build(w.keys)
            echo = asyncio.ensure_future(w.origin.echo(circuit, "127.0.0.1", w.echo_port, [500] * 100_000, timeout=2.0))
            await asyncio.sleep(0.5)
            start = time.monotonic()
            await w.relays[1].stop()
            self.assertLess(time.monotonic() - start, 15)

            async def gone():
                return not await w.origin.alive(circuit)

            await until(gone, 10, "the originator still thinks the circuit is ready")
            echo.cancel()
            await asyncio.gather(echo, return_exceptions=True)


if __name__ == "__main__":
    unittest.main()
