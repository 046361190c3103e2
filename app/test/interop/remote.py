# SPDX-License-Identifier: BSD-3-Clause
"""Nodes and servers in processes of their own, so that they can live in another network namespace or
have their CPU time measured. Calls and answers are JSON, one per line, over standard input and output.

    python -m interop.remote peer '{"ip": "127.0.0.1", "port": 8090}'

Besides "peer", "echo" and "dns", any class can be named as module:Class.
"""

import asyncio
import importlib
import json
import os
import sys

from . import proc

_HERE = os.path.dirname(os.path.abspath(__file__))


class Remote:
    """The near end: every method call that is not defined here goes to the object in the process."""

    def __init__(self, what, options, prefix=(), name=""):
        self.what, self.options, self.prefix = what, options, list(prefix)
        self.name = name or what
        self.kind = options.get("endpoint", "python")
        self.flags = set(options.get("flags", ()))
        self.process = None
        self.pending = {}
        self.last = 0
        self.reader = None

    async def start(self):
        paths = [os.path.dirname(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths))
        self.process = await asyncio.create_subprocess_exec(
            *self.prefix, sys.executable, "-m", "interop.remote", self.what, json.dumps(self.options),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment,
            limit=1 << 24, start_new_session=True)
        self.reader = asyncio.ensure_future(self._read())
        await self._call("started")
        return self

    async def _read(self):
        while line := await self.process.stdout.readline():
            answer = json.loads(line)
            future = self.pending.pop(answer["id"], None)
            if future and not future.done():
                if "error" in answer:
                    future.set_exception(RuntimeError(f"{self.name}: {answer['error']}"))
                else:
                    future.set_result(answer["result"])
        for future in self.pending.values():
            if not future.done():
                future.set_exception(RuntimeError(f"{self.name} died"))

    async def _call(self, method, *args, **kwargs):
        self.last += 1
        future = self.pending[self.last] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": self.last, "call": method, "args": args, "kwargs": kwargs})
        self.process.stdin.write(line.encode() + b"\n")
        return await future

    def __getattr__(self, method):
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *args, **kwargs: self._call(method, *args, **kwargs)

    @property
    def pid(self):
        return self.process.pid

    async def cpu(self):
        return proc.cpu_seconds(self.process.pid)

    async def stop(self):
        """Leave in order, then end the process."""
        if self.process and self.process.returncode is None:
            try:
                await asyncio.wait_for(self._call("stop"), 10)
            except (TimeoutError, RuntimeError, ConnectionError):
                pass
            self.process.stdin.close()
            try:
                await asyncio.wait_for(self.process.wait(), 5)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self.reader:
            await self.reader


class _EchoObject:
    def __init__(self, **options):
        self.options = options

    async def start(self):
        from .echo import EchoServer
        self.server = await EchoServer().start(**self.options)
        return self

    async def where(self):
        return self.server.port

    async def received(self):
        return self.server.received

    async def stop(self):
        self.server.close()


class _DnsObject:
    def __init__(self, names, **options):
        self.names, self.options = names, options

    async def start(self):
        from .echo import DnsServer
        self.server = await DnsServer(self.names).start(**self.options)
        return self

    async def where(self):
        return list(self.server.address)

    async def questions(self):
        return self.server.questions

    async def stop(self):
        self.server.close()


def _make(what, options):
    if what == "echo":
        return _EchoObject(**options)
    if what == "dns":
        return _DnsObject(**options)
    if options.get("key"):
        options["key"] = bytes.fromhex(options["key"])
    if ":" in what:
        module, name = what.split(":")
        return getattr(importlib.import_module(module), name)(**options)
    from .peer import Peer
    return Peer(**options)


async def _serve(what, options):
    """The far end: one object, calls from standard input until it closes."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # Anything printed by a library must not end up among the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    thing = await _make(what, options).start()
    stopped, running = False, set()

    async def run(call):
        try:
            if call["call"] == "started":
                result = True
            else:
                result = await getattr(thing, call["call"])(*call["args"], **call["kwargs"])
            answer = {"id": call["id"], "result": result}
        except Exception as error:  # the caller decides what an error means
            answer = {"id": call["id"], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)

    while line := await reader.readline():
        call = json.loads(line)
        if call["call"] == "stop":
            stopped = True
            await run(call)
        else:
            running.add(task := asyncio.ensure_future(run(call)))
            task.add_done_callback(running.discard)
    if not stopped:
        await thing.stop()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], json.loads(sys.argv[2])))
