# SPDX-License-Identifier: BSD-3-Clause
"""Exits and private networks, as a node at home meets them: in two network namespaces with a cable between them."""

import os
import shutil
import subprocess
import unittest

from interop.echo import EchoServer
from interop.net import until
from interop.remote import Remote
from interop.world import EXIT_FLAGS
from watched import KIND

EXIT, ORIGINATOR, ROUTER, PORT = "203.0.113.1", "203.0.113.2", "203.0.113.254", 8090
PUBLIC = "198.51.100.9"
PRIVATE = ["10.0.0.9", "172.16.0.9", "172.31.255.9", "192.168.1.1", "100.64.0.9"]
NEVER = ["169.254.1.9"]  # link-local, whatever is allowed


class Echoes:
    """Echo servers at these addresses, for remote.py."""

    def __init__(self, addresses):
        self.addresses, self.servers = addresses, {}

    async def start(self):
        for address in self.addresses:
            self.servers[address] = await EchoServer().start(address, port=PORT)
        return self

    async def received(self):
        return {address: server.received for address, server in self.servers.items()}

    async def stop(self):
        for server in self.servers.values():
            server.close()


class Home:
    """The node's namespace, and one beyond its cable that has all the other addresses. Removes both."""

    def __enter__(self):
        self.names = [f"peelhome{os.getpid()}", f"peelaway{os.getpid()}"]
        try:
            self._make(*self.names)
        except BaseException:
            self.__exit__()
            raise
        return [["ip", "netns", "exec", name] for name in self.names]

    def _make(self, home, away):
        def run(*words):
            subprocess.run(["ip", *words], check=True, capture_output=True)

        for name in (home, away):
            run("netns", "add", name)
            run("-n", name, "link", "set", "lo", "up")
        run("-n", home, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", away)
        for name, addresses in ((home, [EXIT, ORIGINATOR]), (away, [ROUTER])):
            for address in addresses:
                run("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            run("-n", name, "link", "set", "eth0", "up")
        for address in [PUBLIC, *PRIVATE, *NEVER]:
            run("-n", away, "addr", "add", f"{address}/32", "dev", "lo")
        run("-n", home, "route", "add", "default", "via", ROUTER)

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


@unittest.skipIf(os.getuid() != 0 or shutil.which("ip") is None, "network namespaces need root and `ip`")
class Private(unittest.IsolatedAsyncioTestCase):
    async def reached(self, **environment):
        """The addresses whose servers got a datagram through an exit, and those from which an answer came."""
        with Home() as (home, away):
            set_variables = ["env", *(f"{name}={value}" for name, value in environment.items())]
            servers = Remote("test_private:Echoes", {"addresses": [PUBLIC, *PRIVATE, *NEVER]}, away)
            exit_ = Remote("peer", {"ip": EXIT, "port": PORT, "flags": EXIT_FLAGS, "endpoint": KIND}, [*home, *set_variables])
            origin = Remote("peer", {"ip": ORIGINATOR, "port": PORT, "flags": (), "walk_to": [(EXIT, PORT)],
                                     "settings": {"max_circuits": 0}}, home)
            started = []
            try:
                for node in (servers, exit_, origin):
                    started.append(node)
                    await node.start()
                key = (await exit_.info())["key"]

                async def known():
                    return key in await origin.candidates()

                await until(known, 30, "the exit is no candidate")
                circuit = await origin.build([key])
                answered = set()
                for address in [*NEVER, *PRIVATE, PUBLIC]:
                    counts = await origin.echo(circuit, address, PORT, [100] * 3, timeout=0.5)
                    if counts["received"]:
                        answered.add(address)
                return {address for address, count in (await servers.received()).items() if count}, answered
            finally:
                for node in reversed(started):
                    await node.stop()

    async def test_refused(self):
        self.assertEqual(await self.reached(), ({PUBLIC}, {PUBLIC}))

    async def test_allowed(self):
        allowed = {PUBLIC, *PRIVATE}
        self.assertEqual(await self.reached(PEEL_IPV8_EXIT_PRIVATE="1"), (allowed, allowed))


if __name__ == "__main__":
    unittest.main()
