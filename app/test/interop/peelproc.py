# SPDX-License-Identifier: BSD-3-Clause
"""The peel binary as a child process, with a configuration written for it."""

import asyncio
import json
import os
import signal
import tempfile

from . import proc
from .net import with_port
from .status import flatten
from .peer import DEFAULT_COMMUNITY, EXIT_BT, EXIT_HTTP, EXIT_IPV8, RELAY, SPEED_TEST, new_key, public_key


def render(sections):
    """INI text of {section: {name: value}}; lists become comma separated, booleans yes and no."""
    def text(value):
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (list, tuple)):
            return ", ".join(str(v) for v in value)
        return str(value)

    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {text(value)}" for name, value in values.items() if value is not None]
        lines.append("")
    return "\n".join(lines)


# Of every node of this run: sections, merged on top of what the harness chooses.
FOR_ALL = {}


def configuration(directory, ip, port, flags, walk_to, community=DEFAULT_COMMUNITY, overrides=None):
    """The settings of one test relay, as sections. `overrides` are sections merged on top."""
    sections = {
        "node": {"key": f"{directory}/key.pem", "community": community,
                 "management": f"{directory}/peel.sock"},
        "port": {"driver": "socket", "listen": with_port(ip, port)},
        "workers": {"hugepages": "auto"},
        "discovery": {"bootstrap": [with_port(*address) for address in walk_to]},
        "tunnel": {"relay": RELAY in flags, "exit_bt": EXIT_BT in flags,
                   "exit_ipv8": EXIT_IPV8 in flags, "exit_http": EXIT_HTTP in flags,
                   "speed_test": SPEED_TEST in flags,
                   "max_joined_circuits": 1000},
        "exit": {"policy": "standard", "allow_loopback": True, "allow_private": True},
        "log": {"level": "info"},
    }
    for source in (FOR_ALL, overrides or {}):
        for section, values in source.items():
            sections.setdefault(section, {}).update(values)
    return sections


class PeelNode:
    """One `peel relay` process. The calls that make sense for a relay are those of peer.Peer."""

    kind = "peel"

    def __init__(self, ip, port, flags=(RELAY, SPEED_TEST), walk_to=(), binary=None, prefix=(),
                 community=DEFAULT_COMMUNITY, overrides=None, name="peel"):
        self.ip, self.port, self.flags, self.name = ip, port, set(flags), name
        self.binary = binary or os.environ.get("PEEL", "build/app/peel/peel")
        self.prefix = list(prefix)
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-")
        self.key = new_key()
        self.log_path = os.path.join(self.directory.name, "log")
        self.process = None
        self.cpu_total = 0.0
        path = os.path.join(self.directory.name, "key.pem")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(self.key)
        self.config_path = os.path.join(self.directory.name, "relay.ini")
        self.walk_to, self.community = walk_to, community
        self.configure(overrides)

    def configure(self, overrides):
        """For the next start."""
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(render(configuration(self.directory.name, self.ip, self.port, self.flags, self.walk_to,
                                            self.community, overrides)))

    async def start(self, timeout=20.0):
        # A session of its own: an interrupt from the keyboard is for us, who then stop it in order.
        with open(self.log_path, "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.prefix, self.binary, "relay", "-c", self.config_path,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                limit=1 << 22, start_new_session=True)
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
        except TimeoutError:
            line = b""
        if not line.startswith(b"ready "):
            await self.kill()
            raise RuntimeError(f"{self.name} did not get ready: {line!r}\n{self.log_tail()}")
        return self

    def log_tail(self, size=2000):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()[-size:]

    async def info(self):
        return {"ip": self.ip, "port": self.port, "key": public_key(self.key).hex()}

    async def status(self, timeout=5.0):
        """The JSON that SIGUSR1 asks for. It may span lines: read on until it is complete."""
        self.process.send_signal(signal.SIGUSR1)
        text = ""
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
            if not line:
                raise RuntimeError(f"{self.name} ended\n{self.log_tail()}")
            text += line.decode()
            try:
                return json.loads(text)
            except ValueError:
                continue

    async def tables(self):
        table = flatten((await self.status())["circuits"])
        return {"circuits": 0, "relays": table["relays"], "exits": table["exits"]}

    async def candidate_count(self):
        """How many nodes it could extend a circuit to."""
        return (await self.status())["candidates"]["relay"]

    async def cpu(self):
        return proc.cpu_seconds(self.process.pid)

    def alive(self):
        return self.process is not None and self.process.returncode is None

    async def stop(self, timeout=15.0):
        """SIGTERM: destroys go out, then the program ends. Its exit code must be 0."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.cpu_total = await self.cpu()
        self.process.terminate()
        try:
            code = await asyncio.wait_for(self.process.wait(), timeout)
        except TimeoutError:
            await self.kill()
            raise TimeoutError(f"{self.name} did not end after SIGTERM\n{self.log_tail()}") from None
        if code:
            raise RuntimeError(f"{self.name} ended with {code}\n{self.log_tail()}")
        return code

    async def kill(self):
        if self.alive():
            self.process.kill()
            await self.process.wait()
