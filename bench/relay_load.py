# SPDX-License-Identifier: BSD-3-Clause
"""The two ends of compare_relays: an originator of circuits, and the next hop behind the relay under test.

Both are py-ipv8 nodes in one process. Once a circuit stands, the C program `blast` takes over both of their
sockets for a while: it seals cells with the circuit's keys, sends them, and counts what the relay passes on.
"""

import asyncio
import json
import struct

from interop.peer import Peer


class Ends:
    def __init__(self, blast, origin, sink):
        self.program = blast
        self.origin, self.sink = Peer(**origin), Peer(**sink)

    async def start(self):
        await self.sink.start()
        await self.origin.start()
        return self

    async def stop(self):
        await self.origin.stop()
        await self.sink.stop()

    async def sink_key(self):
        return (await self.sink.info())["key"]

    async def candidates(self):
        return await self.origin.candidates()

    async def build(self, path):
        return await self.origin.build(path)

    async def destroy(self, circuit_id):
        await self.origin.destroy(circuit_id)

    async def blast(self, circuit_id, pid, payload, coalesced, cells, window, cpu_ms, exits=False):
        """Load the circuit until the process `pid`, its first hop (or its exit), has used so much CPU time."""
        circuit = self.origin.tunnels.circuits[circuit_id]
        keys = circuit.hops[0].keys
        header = self.origin.tunnels.get_prefix() + struct.pack("!BIBB", 0, circuit_id, 0, 0)
        out, into = _socket(self.origin), _socket(self.sink)
        arguments = [out.fileno(), into.fileno(), *circuit.hop.address[:2], pid, payload, cells,
                     int(coalesced), window, cpu_ms, int(exits)]
        # Datagram transports have no public way to pause; the distribution's Python is fixed at 3.11.
        loop, transport = asyncio.get_running_loop(), _transport(self.sink)
        loop._remove_reader(transport._sock_fd)
        try:
            process = await asyncio.create_subprocess_exec(
                self.program, *map(str, arguments), stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, pass_fds=(out.fileno(), into.fileno()))
            secrets = header + keys.key_forward + keys.salt_forward
            output, _ = await process.communicate(secrets.hex().encode())
        finally:
            loop._add_reader(transport._sock_fd, transport._read_ready)
        if process.returncode:
            raise RuntimeError(f"blast ended with {process.returncode}")
        return json.loads(output)


def _transport(peer):
    return peer.ipv8.endpoint.interfaces["UDPIPv4"]._transport


def _socket(peer):
    return _transport(peer).get_extra_info("socket")
