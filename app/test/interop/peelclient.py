# SPDX-License-Identifier: BSD-3-Clause
"""`peel client` as a child process, and the short-lived commands beside it."""

import asyncio
import json
import os
import tempfile

from .net import until
from .peelproc import PeelNode, render


class PeelClient(PeelNode):
    """SOCKS listeners for each of `hops`; `ports` says where, once it is started."""

    def __init__(self, walk_to, hops=(1, 2, 3), binary=None, overrides=None, name="client", prefix=()):
        # pylint: disable=super-init-not-called
        self.name, self.prefix = name, list(prefix)
        self.binary = binary or os.environ.get("PEEL", "build/app/peel/peel")
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-")
        self.log_path = os.path.join(self.directory.name, "log")
        self.config_path = os.path.join(self.directory.name, "client.ini")
        self.hops, self.ports = list(hops), {}
        self.process, self.cpu_total = None, 0.0
        sections = {
            "node": {"management": os.path.join(self.directory.name, "peel.sock")},
            "port": {"listen": "127.0.0.1:0"},
            "discovery": {"bootstrap": [f"{a}:{p}" for a, p in walk_to]},
            "client": {"max_circuits": 4},
            "socks": {f"hops{n}": "127.0.0.1:0" for n in hops},
        }
        for section, values in (overrides or {}).items():
            sections.setdefault(section, {}).update(values)
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(render(sections))

    async def start(self, timeout=20.0):
        with open(self.log_path, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, self.binary, "client", "-c", self.config_path, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE, stderr=log, limit=1 << 22, start_new_session=True)
        while True:
            try:
                line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
            except TimeoutError:
                line = b""
            words = line.decode().split()
            if len(words) == 3 and words[0] == "socks":
                self.ports[int(words[1])] = int(words[2].rsplit(":", 1)[1])
            elif words[:1] == ["ready"]:
                return self
            else:
                await self.kill()
                raise RuntimeError(f"{self.name} did not get ready: {line!r}\n{self.log_tail()}")

    async def settle(self, timeout=30.0):
        """Until there are circuits of each length."""
        def ready():
            log = self.log_tail(100_000)
            return all(f"circuits of {n} hop{'' if n == 1 else 's'} are ready" in log for n in self.hops)
        await until(ready, timeout, "the client has not got circuits of each length")

    async def own_circuits(self):
        return (await self.status())["own_circuits"]


async def command(binary, *args, stdin=b"", timeout=60.0):
    """(exit code, standard output, standard error) of a command."""
    process = await asyncio.create_subprocess_exec(
        binary or os.environ.get("PEEL", "build/app/peel/peel"), *args, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), timeout)
    except TimeoutError:
        process.kill()
        raise
    return process.returncode, out, err.decode(errors="replace")


async def speedtest(binary, walk_to, hops, *args):
    """The JSON that `peel speedtest` prints."""
    servers = [word for a, p in walk_to for word in ("-b", f"{a}:{p}")]
    code, out, err = await command(binary, "speedtest", *servers, "--hops", str(hops), "--seconds", "1",
                                   "--json", *args)
    if code != 0:
        raise RuntimeError(f"peel speedtest: {code}\n{err}")
    return json.loads(out)
