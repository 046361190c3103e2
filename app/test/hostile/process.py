# SPDX-License-Identifier: BSD-3-Clause
"""The process itself: output that nobody reads, signals, what a core would hold, what a broken node could do."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess

from interop.net import free_ports, until
from interop.peelclient import PeelClient
from interop.peelproc import PeelNode


def peel(build):
    return os.path.join(build, "app", "peel", "peel")


def relay(build, overrides=None, **kwargs):
    return PeelNode("127.0.0.1", free_ports(1)[0], binary=peel(build), overrides=overrides, **kwargs)


def client(build, overrides=None):
    node = PeelClient([], hops=(1,), binary=peel(build))
    with open(node.config_path, "a", encoding="utf-8") as file:
        file.write("[node]\nmanagement = %s/peel.sock\n" % node.directory.name)
        for section, values in (overrides or {}).items():
            file.write("[%s]\n%s\n" % (section, "\n".join("%s = %s" % item for item in values.items())))
    return node


async def ask(node, what="status", timeout=10.0):
    """The answer of a node's management socket."""
    reader, writer = await asyncio.wait_for(
        asyncio.open_unix_connection(os.path.join(node.directory.name, "peel.sock"), limit=1 << 22), timeout)
    try:
        writer.write(what.encode() + b"\n")
        return json.loads(await asyncio.wait_for(reader.readline(), timeout))
    finally:
        writer.close()


class Unread:
    """A node whose standard output and error are small pipes that nobody reads, once it is ready."""

    def __init__(self, node, command):
        self.node = node
        self.process = subprocess.Popen([node.binary, command, "-c", node.config_path], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        for pipe in (self.process.stdout, self.process.stderr):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)

    async def ready(self):
        text = b""
        while b"ready " not in text:
            byte = await asyncio.wait_for(asyncio.to_thread(self.process.stdout.read, 1), 30.0)
            if not byte:
                raise RuntimeError(f"ended: {self.process.stderr.read(2000)!r}")
            text += byte

    async def end(self, timeout=15.0):
        """Its exit code."""
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


async def unread(node, command):
    with Unread(node, command) as it:
        await it.ready()
        for _ in range(200):  # of some kilobytes each: more than pipe and queue hold
            it.process.send_signal(signal.SIGUSR1)
            await asyncio.sleep(0.01)
            await ask(node, "stats")
        await ask(node)
        it.process.terminate()
        code = await it.end()
        if code != 0:
            raise RuntimeError(f"ended with {code} after SIGTERM")


async def relay_unread(build):
    await unread(relay(build, {"log": {"level": "debug"}}), "relay")


async def client_unread(build):
    await unread(client(build, {"log": {"level": "debug"}}), "client")


async def closed_output(build):
    """Whoever read is gone: a write fails, with SIGPIPE beside it."""
    node = relay(build)
    with Unread(node, "relay") as it:
        await it.ready()
        it.process.stdout.close()
        it.process.stderr.close()
        for _ in range(3):
            it.process.send_signal(signal.SIGUSR1)
            await asyncio.sleep(0.1)
        await ask(node)
        it.process.terminate()
        if await it.end() != 0:
            raise RuntimeError("did not end well")


async def reader_comes_back(build):
    """What was lost is said, and what comes later is there."""
    node = relay(build)
    with Unread(node, "relay") as it:
        await it.ready()
        for _ in range(200):
            it.process.send_signal(signal.SIGUSR1)
            await asyncio.sleep(0.01)
        # Signals that arrive together are one: ask until the queue is full.
        lines = []

        def read():
            lines.extend(line for line in iter(it.process.stdout.readline, b""))

        reading = asyncio.create_task(asyncio.to_thread(read))
        await asyncio.sleep(0.5)
        before = len(lines)
        it.process.send_signal(signal.SIGUSR1)
        await until(lambda: len(lines) > before, 10.0, "no status after the reader came back")
        it.process.terminate()
        if await it.end() != 0:
            raise RuntimeError("did not end well")
        await reading
        for line in lines[1:]:  # the first is the rest of the ready line
            json.loads(line)
        if b"nobody reads" not in it.process.stderr.read(65536):
            raise RuntimeError("the log does not say that statuses were lost")
        return f"{len(lines) - 1} statuses read"


async def hang_up(build):
    """SIGHUP means nothing yet; without a terminal it must not end a node behind its neighbours' back."""
    for node in (relay(build), client(build)):
        await node.start()
        try:
            for _ in range(3):
                node.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.1)
            await ask(node)
        finally:
            await node.stop()


CASES = [
    ("a relay whose output nobody reads", relay_unread),
    ("a client whose output nobody reads", client_unread),
    ("the reader of a relay is gone", closed_output),
    ("the reader of a relay comes back", reader_comes_back),
    ("SIGHUP", hang_up),
]
