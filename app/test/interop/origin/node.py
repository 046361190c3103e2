# SPDX-License-Identifier: BSD-3-Clause
"""An originator: a node of libpeel with asyncio around it. Lives in a process of its own (see remote.py), so
all calls take and give plain values."""

import asyncio
import base64
import ctypes
import functools
import json
import time

from ..client import EchoClient
from ..status import flatten
from .libpeel import STATES, Address, Node


class Service:
    """One that was joined: the peers there are now, and the lengths of what was echoed."""

    def __init__(self, echoes):
        self.echoes = echoes
        self.peers, self.sizes = [], {}


class Originator:
    """`settings` are fields of struct peel_settings; `poll`: driven by this loop instead of the library's thread."""

    kind = "libpeel"

    def __init__(self, settings, poll=False, name="originator"):
        self.name, self.poll = name, poll
        self.settings = {"memory": 128, **settings}
        self.node = self.loop = self.timer = None
        self.clients = {}
        self.services = {}
        self.log = []
        self.stray = 0

    async def start(self):
        self.loop = asyncio.get_running_loop()
        self.node = Node(**self.settings)
        self.node.on_data(self._on_data)
        self.node.on_circuit(self._on_circuit)
        if self.poll:
            self.loop.add_reader(self.node.fd(), self._drive)
            self._drive()
        else:
            self.node.run()
        return self

    def _drive(self):
        self.node.lib.peel_poll(self.node.handle, 0)
        if self.timer:
            self.timer.cancel()
        left = self.node.lib.peel_timeout(self.node.handle)
        self.timer = self.loop.call_later(min(max(left, 1), 500) / 1000, self._drive)

    async def stop(self):
        if self.node is None:
            return
        if self.poll:
            self.loop.remove_reader(self.node.fd())
            self.timer.cancel()
        node, self.node = self.node, None
        await self.loop.run_in_executor(None, node.close)

    # Callbacks of the library, in its thread.

    def _on_peer(self, service, address):
        self.loop.call_soon_threadsafe(service.peers.append, address)

    def _on_gone(self, service, address):
        self.loop.call_soon_threadsafe(service.peers.remove, address)

    def _on_data(self, circuit, origin, payload):
        self.loop.call_soon_threadsafe(self._data, circuit, origin, payload)

    def _on_circuit(self, circuit, ready):
        self.loop.call_soon_threadsafe(self.log.append, (circuit, ready, time.monotonic()))

    def _data(self, circuit, origin, payload):
        client = self.clients.get(circuit)
        service = next((s for s in self.services.values() if origin in s.peers), None)
        if client:
            client.on_data(origin, payload)
        elif service and service.echoes:
            service.sizes[len(payload)] = service.sizes.get(len(payload), 0) + 1
            self.node.send(0, *origin, payload)
        else:
            self.stray += 1

    # Calls.

    async def info(self):
        address = Address()
        self.node.lib.peel_local_address(self.node.handle, ctypes.byref(address))
        return {"ip": address.pair()[0], "port": address.pair()[1]}

    async def status(self):
        return json.loads(self.node.status())

    async def counters(self):
        return flatten((await self.status())["counters"])

    async def candidate_count(self, kind="relay"):
        return (await self.status())["candidates"][kind]

    async def build_tunnels(self, hops):
        return self.node.build_tunnels(hops)

    async def stop_tunnels(self, hops):
        return self.node.stop_tunnels(hops)

    async def ready(self, hops):
        return self.node.tunnels_ready(hops)

    async def missing(self, hops):
        return self.node.missing(hops)

    async def active(self, hops=0):
        return self.node.active(hops)

    async def circuit_for(self, hops, host, port):
        return self.node.lib.peel_circuit_for(self.node.handle, hops, ctypes.byref(Address.of(host, port)))

    async def close_circuit(self, circuit):
        return self.node.close_circuit(circuit)

    async def events(self):
        """(circuit, became ready, seconds of the monotonic clock), in order."""
        return self.log

    async def circuit(self, circuit):
        info = self.node.info(circuit)
        return {"state": STATES[info.state], "id": info.circuit_id, "goal": info.goal, "age": info.age_ms / 1000,
                "idle": info.idle_ms / 1000, "up": info.bytes_up, "down": info.bytes_down, "rtt": info.rtt_ms,
                "keys": [bytes(hop.key).hex() for hop in info.hop[:info.hops]],
                "addresses": [hop.address.pair() for hop in info.hop[:info.hops]]}

    async def paths(self, hops):
        """Circuit -> keys of its hops, of the active ones. One that ends meanwhile is left out."""
        found = {}
        for circuit in self.node.active(hops):
            try:
                found[circuit] = (await self.circuit(circuit))["keys"]
            except OSError:
                continue
        return {str(circuit): keys for circuit, keys in found.items()}

    async def send(self, circuit, host, port, payload):
        """Hexadecimal payload; 0 or the negative result."""
        return self.node.send(circuit, host, port, bytes.fromhex(payload))

    async def strays(self):
        return self.stray

    async def echo(self, circuit, host, port, sizes, window=32, timeout=5.0, any_shape=False, first=0,
                   seconds=None):
        """Echo datagrams; see client.EchoClient. `seconds`: repeat the sizes for so long."""
        origin = (host, port) if host.replace(".", "").isdigit() or ":" in host else None
        destination = Address.of(host, port)
        lib, handle = self.node.lib, self.node.handle
        refused = {}

        def send(data):
            result = lib.peel_tunnel_data(handle, circuit, ctypes.byref(destination), 1, data, len(data))
            if result:
                refused[result] = refused.get(result, 0) + 1

        client = self.clients[circuit] = EchoClient(send, origin)
        try:
            if seconds is None:
                result = await client.run(sizes, window, timeout, any_shape, first)
            else:
                end = time.monotonic() + seconds

                def endless():
                    while time.monotonic() < end:
                        yield from sizes
                result = await client.run(endless(), window, timeout, any_shape, first)
        finally:
            self.clients.pop(circuit, None)
        return {**result, "refused": refused}

    def _answered(self, future, *result):
        self.loop.call_soon_threadsafe(future.set_result, result)

    async def test(self, circuit, rust=False, request=500, response=500, count=1):
        """Speed tests one after the other: list of (microseconds, bytes)."""
        results = []
        for _ in range(count):
            future = self.loop.create_future()
            self.node.test_circuit(circuit, rust, request, response,
                                   functools.partial(self._answered, future))
            result, rtt, size = await asyncio.wait_for(future, 12)
            if result:
                raise OSError(-result, "test")
            results.append((rtt, size))
        return results

    async def join_service(self, service, hops, seed=True, find=True, echoes=False):
        """The identifier is hexadecimal. `echoes`: what peers send goes back to them."""
        joined = self.services[service] = Service(echoes)
        self.node.join_service(bytes.fromhex(service), hops, seed, find, functools.partial(self._on_peer, joined),
                               functools.partial(self._on_gone, joined))

    async def leave_service(self, service):
        self.node.leave_service(bytes.fromhex(service))

    async def service(self, service):
        info = self.node.service_info(bytes.fromhex(service))
        return {"peers": self.services[service].peers, "introduction_points": info.introduction_points,
                "own_introduction_points": info.own_introduction_points, "key": bytes(info.key).hex(),
                "seeders": info.seeders, "sizes": sorted(self.services[service].sizes)}

    async def echo_peer(self, address, sizes, window=16, timeout=20.0):
        """Echo datagrams of any shape with a peer."""
        circuit = self.node.lib.peel_peer_circuit(self.node.handle, ctypes.byref(Address.of(*address)))
        return await self.echo(circuit, *address, sizes, window, timeout, any_shape=True)

    async def http_circuit(self, hops):
        return self.node.http_circuit(hops)

    async def http(self, circuit, host, port, request):
        """Base64 of the answer."""
        future = self.loop.create_future()
        self.node.http_request(circuit, host, port, request.encode(),
                               functools.partial(self._answered, future))
        result, answer = await asyncio.wait_for(future, 12)
        if result:
            raise OSError(-result, "http")
        return base64.b64encode(answer).decode()
