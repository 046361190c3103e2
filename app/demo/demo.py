# SPDX-License-Identifier: BSD-3-Clause
"""Three Peel relays, an unmodified py-ipv8 originator, an echo server: data through a circuit of three hops."""

import argparse
import asyncio
import contextlib
import signal
import sys
import time

from interop.client import EchoClient
from interop.echo import EchoServer
from interop.net import free_ports
from interop.peelproc import PeelNode
from interop.peer import EXIT_BT, EXIT_IPV8, RELAY, SPEED_TEST, Peer, until
from interop.status import cells_switched, counters, drops

SIZES = list(range(1, 1401)) * 3
WINDOW = 32


class Progress:
    """One line that overwrites itself on a terminal, a line now and then elsewhere."""

    def __init__(self, total):
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.next = 0.0

    def __call__(self, client, final=False):
        now = time.monotonic()
        if now < self.next and not final:
            return
        self.next = now + (0.1 if self.terminal else 1.0)
        line = f"sent {client.sent}/{self.total}, received {client.received}, {client.bytes / 1e6:.2f} MB back"
        print("\r" + line if self.terminal else line, end="" if self.terminal and not final else "\n",
              flush=True)


async def start_relays(stack, exits, any_payload):
    """Three relays that know each other; `exits` are the indices of those that exit data."""
    ports = free_ports(3)
    addresses = [("127.0.0.1", port) for port in ports]
    relays = []
    for i, port in enumerate(ports):
        flags = (RELAY, EXIT_BT, EXIT_IPV8, SPEED_TEST) if i in exits else (RELAY, SPEED_TEST)
        # Room for clients that try what a relay can take, all from one address.
        policy = {"exit": {"policy": "any" if any_payload and i in exits else "standard", "allow_loopback": True},
                  "tunnel": {"max_joined_circuits": 10000, "create_rate_per_source": 1000}}
        relay = PeelNode("127.0.0.1", port, flags, addresses[:i] + addresses[i + 1:], overrides=policy,
                         name=f"relay {i + 1}")
        stack.push_async_callback(relay.stop)
        relays.append(await relay.start())
    return relays


async def demo():
    # An interrupted demo still stops what it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    async with contextlib.AsyncExitStack() as stack:
        echo = await EchoServer().start()
        stack.callback(echo.close)
        relays = await start_relays(stack, {2}, True)
        print("relays: " + ", ".join(f"{r.ip}:{r.port}" for r in relays) + " (the last one exits)")
        origin = Peer("127.0.0.1", free_ports(1)[0], flags=(), settings={"max_circuits": 0},
                      walk_to=[(r.ip, r.port) for r in relays])
        stack.push_async_callback(origin.stop)
        await origin.start()
        keys = [(await relay.info())["key"] for relay in relays]

        async def listed():
            return set(keys) <= set(await origin.candidates())

        async def acquainted():
            return all([await relay.candidate_count() >= 2 for relay in relays])

        await until(listed, 20, "py-ipv8 does not list all relays as candidates")
        await until(acquainted, 20, "the relays do not know each other")
        start = time.monotonic()
        circuit = await origin.build(keys)
        print(f"circuit of 3 hops ready after {1000 * (time.monotonic() - start):.0f} ms")

        before = [(await relay.cpu(), counters(await relay.status())) for relay in relays]
        result = await transfer(origin, circuit, echo)
        after = [(await relay.cpu(), counters(await relay.status())) for relay in relays]
        report(result, relays, circuit, before, after)
        return 0 if result["received"] == len(SIZES) and not result["bad"] else 1


async def transfer(origin, circuit_id, echo):
    """Nothing is sent twice: a window of unanswered datagrams paces the sender instead."""
    circuit = origin.tunnels.circuits[circuit_id]
    target = ("127.0.0.1", echo.port)

    def send(data):
        origin.tunnels.send_data(circuit.hop.address, circuit_id, target, ("0.0.0.0", 0), data)

    client = EchoClient(send, target)
    origin.tunnels.on_circuit_data[circuit_id] = client.on_data
    progress = Progress(len(SIZES))
    result = await client.run(SIZES, WINDOW, any_shape=True, progress=progress)
    progress(client, final=True)
    return result


def report(result, relays, circuit, before, after):
    seconds = result["seconds"]
    print(f"""
circuit     {circuit:08x}, {len(relays)} hops: originator (py-ipv8) -> {' -> '.join(f'{r.ip}:{r.port}' for r in relays)}
datagrams   {result['sent']} sent, {result['received']} received, {result['lost']} lost, {result['bad']} wrong
bytes       {result['bytes']} each way in {seconds:.2f} s
rate        {result['received'] / seconds:.0f} datagrams/s, {8 * result['bytes'] / seconds / 1e6:.1f} Mbit/s \
each way (the originator's Python is the limit)

relay                  cells switched    cells/s   cells/CPU-second   dropped""")
    for relay, (cpu0, count0), (cpu1, count1) in zip(relays, before, after):
        change = {name: count1[name] - count0.get(name, 0) for name in count1}
        cells, cpu = cells_switched(change), cpu1 - cpu0
        # /proc counts CPU time in hundredths of a second: below a few of them a rate means nothing.
        per_cpu = f"{cells / cpu:.0f}" if cpu >= 0.03 else "-"
        dropped = ", ".join(f"{n} {reason}" for reason, n in sorted(drops(change).items())) or "none"
        print(f"{relay.ip + ':' + str(relay.port):22} {cells:14} {cells / seconds:10.0f} {per_cpu:>18}   {dropped}")


async def hold():
    """A local overlay to play with, until interrupted."""
    async with contextlib.AsyncExitStack() as stack:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        relays = await start_relays(stack, {0, 1, 2}, False)
        print("ready " + " ".join(f"{r.ip}:{r.port}" for r in relays), flush=True)
        ends = [asyncio.ensure_future(relay.process.wait()) for relay in relays]
        waits = [asyncio.ensure_future(stopped.wait()), *ends]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        died = [relay.name for relay in relays if not relay.alive()]
        for wait in waits:
            wait.cancel()
        if died and not stopped.is_set():
            print(f"{', '.join(died)} ended", file=sys.stderr)
            return 1
        return 0


def main():
    parser = argparse.ArgumentParser(prog="app/demo/run")
    parser.add_argument("--hold", action="store_true")
    options = parser.parse_args()
    try:
        sys.exit(asyncio.run(hold() if options.hold else demo()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except (OSError, RuntimeError, TimeoutError) as error:
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
