# SPDX-License-Identifier: BSD-3-Clause
"""`peel service publish` and `peel service connect` as child processes."""

import asyncio
import os
import re
import tempfile

from .net import until
from .peelproc import render


class PeelService:
    """One of the two commands. What its lines say is in `local`, `peers`, `ports` and `talks`."""

    def __init__(self, what, walk_to, *arguments, binary=None, name="", config=None):
        self.what, self.name = what, name or f"service {what}"
        self.binary = binary or os.environ.get("PEEL", "build/app/peel/peel")
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-")
        self.log_path = os.path.join(self.directory.name, "log")
        path = os.path.join(self.directory.name, "client.ini")
        # Often, as tests are in a hurry.
        sections = {"client": {"swarm_lookup_interval": 3}, "socks": {"hops1": "127.0.0.1:0"}, **(config or {})}
        with open(path, "w", encoding="utf-8") as file:
            file.write(render(sections))
        servers = [word for a, p in walk_to for word in ("-b", f"{a}:{p}")]
        self.arguments = ["service", what, "-c", path, *servers, *arguments]
        self.process = self.reader = None
        self.lines = []
        self.peers = set()
        self.local = None   # (address, port) of connect
        self.ports = {}     # of publish: peer -> the port that the server sees
        self.talks = {}     # of connect: local port -> peer
        self.points = 0     # introduction points

    async def start(self, timeout=20.0):
        with open(self.log_path, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.binary, *self.arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=log, start_new_session=True)
        self.reader = asyncio.create_task(self._read())
        await self.until(lambda: any(line.startswith("service ") for line in self.lines), timeout, "it did not start")
        return self

    async def _read(self):
        while line := (await self.process.stdout.readline()).decode().rstrip():
            self.lines.append(line)
            self._take(line)

    def _take(self, line):
        if match := re.fullmatch(r"listening on (\S+):(\d+)", line):
            self.local = (match[1], int(match[2]))
        elif match := re.fullmatch(r"peer (\S+) is (connected|gone)", line):
            (self.peers.add if match[2] == "connected" else self.peers.discard)(match[1])
        elif match := re.fullmatch(r"peer (\S+) sends from \S+:(\d+)", line):
            self.ports[match[1]] = int(match[2])
        elif match := re.fullmatch(r"\S+:(\d+) talks to peer (\S+)", line):
            self.talks[int(match[1])] = match[2]
        elif match := re.match(r"status: (\d+) introduction points?, ", line):
            self.points = int(match[1])

    async def until(self, check, timeout, what):
        def checked():
            if not self.alive():
                raise RuntimeError(f"{self.name} ended: {self.text()}")
            return check()

        try:
            return await until(checked, timeout, what)
        except TimeoutError as error:
            raise TimeoutError(f"{self.name}: {error}: {self.text()}") from None

    async def introduced(self, timeout=40.0):
        """Until it can be found."""
        await self.until(lambda: self.points > 0, timeout, "no introduction point")

    async def connected(self, count=1, timeout=60.0):
        await self.until(lambda: len(self.peers) >= count, timeout, f"{len(self.peers)} of {count} peers")

    def text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "\n".join(self.lines[-20:]) + "\n" + log.read()[-2000:]

    def alive(self):
        return self.process is not None and self.process.returncode is None

    async def stop(self, timeout=15.0):
        """SIGTERM: its exit code must be 0."""
        if not self.alive():
            return
        self.process.terminate()
        code = await asyncio.wait_for(self.process.wait(), timeout)
        await self.reader
        if code:
            raise RuntimeError(f"{self.name} ended with {code}: {self.text()}")
        if not self.lines[-1].startswith("ended: "):
            raise RuntimeError(f"{self.name} did not say goodbye: {self.text()}")

    async def kill(self):
        self.process.kill()
        await self.process.wait()
