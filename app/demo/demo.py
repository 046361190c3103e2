# SPDX-License-Identifier: BSD-3-Clause
"""Three Peel relays, an originator, an echo server: data through a circuit of three hops. The originator is Peel's
own library, or an unmodified py-ipv8."""

import argparse
import asyncio
import contextlib
import signal
import sys
import time

from interop.client import EchoClient
from interop.echo import EchoServer
from interop.net import free_ports
from interop.origin.node import Originator
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


async def start_relays(stack, exits):
    """Three relays that know each other; `exits` are the indices of those that exit data, of any kind."""
    ports, metrics = free_ports(3), free_ports(3)
    addresses = [("127.0.0.1", port) for port in ports]
    relays = []
    for i, port in enumerate(ports):
        flags = (RELAY, EXIT_BT, EXIT_IPV8, SPEED_TEST) if i in exits else (RELAY, SPEED_TEST)
        # Room for clients that try what a relay can take, all from one address.
        policy = {"exit": {"policy": "any" if i in exits else "standard", "allow_loopback": True},
                  "tunnel": {"max_joined_circuits": 10000, "create_rate_per_source": 1000},
                  "metrics": {"listen": f"127.0.0.1:{metrics[i]}"}}
        relay = PeelNode("127.0.0.1", port, flags, addresses[:i] + addresses[i + 1:], overrides=policy,
                         name=f"relay {i + 1}")
        stack.push_async_callback(relay.stop)
        relays.append(await relay.start())
        relay.page = f"http://127.0.0.1:{metrics[i]}/"
    return relays


class PyIpv8:
    """An unmodified py-ipv8 peer; we tell it which hops to take."""

    name = "py-ipv8"
    limit = "the originator's Python is the limit"

    def __init__(self, relays):
        self.relays = relays
        self.peer = Peer("127.0.0.1", free_ports(1)[0], flags=(), settings={"max_circuits": 0},
                         walk_to=[(r.ip, r.port) for r in relays])
        self.stop = self.peer.stop

    async def build(self):
        keys = [(await relay.info())["key"] for relay in self.relays]

        async def listed():
            return set(keys) <= set(await self.peer.candidates())

        await self.peer.start()
        await until(listed, 20, "py-ipv8 does not list all relays as candidates")
        start = time.monotonic()
        self.circuit = await self.peer.build(keys)
        return self.circuit, keys, time.monotonic() - start

    def connect(self, target):
        circuit = self.peer.tunnels.circuits[self.circuit]

        def send(data):
            self.peer.tunnels.send_data(circuit.hop.address, self.circuit, target, ("0.0.0.0", 0), data)

        client = EchoClient(send, target)
        self.peer.tunnels.on_circuit_data[self.circuit] = client.on_data
        return client


class Peel:
    """libpeel, which chooses the hops by itself."""

    name = "Peel"
    limit = "the Python around the library is the limit"

    def __init__(self, relays):
        self.origin = Originator({"bootstrap": [f"{r.ip}:{r.port}" for r in relays], "listen": "127.0.0.1:0",
                                  "max_circuits": 1})
        self.stop = self.origin.stop

    async def build(self):
        async def ready():
            return await self.origin.ready(3) >= 1

        await self.origin.start()
        start = time.monotonic()
        await self.origin.build_tunnels(3)
        await until(ready, 30, "no circuit of 3 hops")
        seconds = time.monotonic() - start
        self.circuit = (await self.origin.active(3))[0]
        circuit = await self.origin.circuit(self.circuit)
        return circuit["id"], circuit["keys"], seconds

    def connect(self, target):
        def send(data):
            result = self.origin.node.send(self.circuit, *target, data)
            if result:
                raise RuntimeError(f"the library refuses to send: {result}")

        client = self.origin.clients[self.circuit] = EchoClient(send, target)
        return client


async def demo(kind):
    # An interrupted demo still stops what it started.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    async with contextlib.AsyncExitStack() as stack:
        echo = await EchoServer().start()
        stack.callback(echo.close)
        relays = await start_relays(stack, {2})
        print("relays: " + ", ".join(f"{r.ip}:{r.port}" for r in relays) + " (the last one exits)")

        async def acquainted():
            return all([await relay.candidate_count() >= 2 for relay in relays])

        await until(acquainted, 20, "the relays do not know each other")
        origin = kind(relays)
        stack.push_async_callback(origin.stop)
        circuit, keys, seconds = await origin.build()
        names = {(await relay.info())["key"]: relay for relay in relays}
        path = [names[key] for key in keys]
        print(f"circuit of 3 hops ready after {1000 * seconds:.0f} ms")

        before = [(await relay.cpu(), counters(await relay.status())) for relay in path]
        result = await transfer(origin, echo)
        after = [(await relay.cpu(), counters(await relay.status())) for relay in path]
        report(origin, result, path, circuit, before, after)
        return 0 if result["received"] == len(SIZES) and not result["bad"] else 1


async def transfer(origin, echo):
    """Nothing is sent twice: a window of unanswered datagrams paces the sender instead."""
    client = origin.connect(("127.0.0.1", echo.port))
    progress = Progress(len(SIZES))
    result = await client.run(SIZES, WINDOW, any_shape=True, progress=progress)
    progress(client, final=True)
    return result


def report(origin, result, relays, circuit, before, after):
    seconds = result["seconds"]
    print(f"""
circuit     {circuit:08x}, {len(relays)} hops: originator ({origin.name}) -> {' -> '.join(f'{r.ip}:{r.port}' for r in relays)}
datagrams   {result['sent']} sent, {result['received']} received, {result['lost']} lost, {result['bad']} wrong
bytes       {result['bytes']} each way in {seconds:.2f} s
rate        {result['received'] / seconds:.0f} datagrams/s, {8 * result['bytes'] / seconds / 1e6:.1f} Mbit/s \
each way ({origin.limit})

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
        relays = await start_relays(stack, {0, 1, 2})
        for relay in relays:
            at = f"-s {relay.directory.name}/peel.sock"
            print(f"""{relay.ip}:{relay.port}
  in a browser         {relay.page}
  for Prometheus       curl {relay.page}metrics
  on this terminal     {relay.binary} top {at}
  is anything wrong    {relay.binary} doctor {at}""")
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
    parser.add_argument("--originator", choices=("peel", "py-ipv8"), default="peel")
    options = parser.parse_args()
    try:
        sys.exit(asyncio.run(hold() if options.hold else demo(PyIpv8 if options.originator == "py-ipv8" else Peel)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except (OSError, RuntimeError, TimeoutError) as error:
        sys.exit(f"demo: {error}")


if __name__ == "__main__":
    main()
