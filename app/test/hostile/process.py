# SPDX-License-Identifier: BSD-3-Clause
"""The process itself: output that nobody reads, signals, what a core would hold, what a broken node could do."""

import asyncio
import errno
import fcntl
import json
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess

from interop.net import free_ports, stop_all, until
from interop.peelclient import PeelClient
from interop.peelproc import PeelNode
from interop.runner import Skipped
from interop.world import World


def peel(build):
    return os.path.join(build, "app", "peel", "peel")


def relay(build, overrides=None, **kwargs):
    return PeelNode("127.0.0.1", free_ports(1)[0], binary=peel(build), overrides=overrides, **kwargs)


def client(build, overrides=None, node=()):
    """`node`: settings of [node] beside the management socket."""
    return PeelClient([], hops=(1,), binary=peel(build), overrides={**(overrides or {}), "node": dict(node)})


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
    """SIGHUP makes a node read its configuration again; it must not end a node behind its neighbours' back."""
    for node in (relay(build), client(build)):
        await node.start()
        try:
            for _ in range(3):
                node.process.send_signal(signal.SIGHUP)
                await asyncio.sleep(0.1)
            await ask(node)
        finally:
            await node.stop()


# ---- memory ---------------------------------------------------------------------------------------------------------


def mappings(pid):
    """(start, end, path, flags) of each mapping."""
    with open(f"/proc/{pid}/smaps", encoding="ascii") as smaps:
        for line in smaps:
            head = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)$", line)
            if head:
                start, end, path = int(head[1], 16), int(head[2], 16), head[3]
            elif line.startswith("VmFlags:"):
                yield start, end, path, set(line.split()[1:])


def places(pid, wanted):
    """(path, flags) of the mappings that hold these bytes, once for each place."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, path, flags in mappings(pid):
            if "rd" not in flags or path in ("[vvar]", "[vvar_vclock]", "[vsyscall]"):
                continue
            at, rest = start, b""
            while at < end:
                memory.seek(at)
                try:
                    piece = memory.read(min(end - at, 1 << 20))
                except OSError:  # reserved, never used
                    break
                for _ in range((rest + piece).count(wanted)):
                    yield path, flags
                rest = piece[1 - len(wanted):]
                at += len(piece)


def guarded(pid, secrets):
    """Every place of every secret is left out of dumps and locked into memory."""
    for name, secret in secrets.items():
        found = list(places(pid, secret))
        if not found:
            raise RuntimeError(f"{name} is nowhere: this looks in the wrong places")
        for path, flags in found:
            if "dd" not in flags or not flags & {"lo", "ht"}:  # hugepages never leave memory
                raise RuntimeError(f"{name} in {path or 'memory'} with flags {' '.join(sorted(flags))}")


def no_core(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        line = next(line for line in limits if line.startswith("Max core file size"))
    if line.split()[4:6] != ["0", "0"]:
        raise RuntimeError(line)
    # Of a process that may not be dumped, root owns the entries in /proc, whoever runs it.
    if os.stat(f"/proc/{pid}/environ").st_uid != 0:
        raise RuntimeError("the process may be dumped and traced")


async def secrets(build):
    """The identity in a relay's and a client's memory, after it has been used."""
    if os.geteuid() != 0:
        raise Skipped("reading the memory of another process needs root")
    peer = relay(build)
    key = os.path.join(peer.directory.name, "key.pem")
    around = [("127.0.0.1", peer.port)]
    nodes = [peer, relay(build, walk_to=around), client(build, node={"key": key})]
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limit[1], limit[1]))  # inherited by the nodes
    try:
        for node in nodes[:2]:
            await node.start()
        await until(lambda: ask_peers(nodes[1]), 20.0, "the two relays did not meet")
        for node in nodes[:2]:
            secret = node.key[10:]
            guarded(node.process.pid, {"the X25519 key": secret[:32], "the Ed25519 seed": secret[32:]})
            no_core(node.process.pid)
        await nodes[0].stop()
        await nodes[2].start()  # with the same key
        guarded(nodes[2].process.pid, {"the client's key": nodes[0].key[10:42]})
        no_core(nodes[2].process.pid)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limit)
        await stop_all(nodes, ())


async def ask_peers(node):
    return await ask(node, "peers")


def engines(build):
    """The AEAD engines that work here."""
    for name in ("avx512", "avx2", "ipsec_mb", "sodium"):
        node = relay(build, {"aead": {"engine": name}})
        if subprocess.run([node.binary, "relay", "-c", node.config_path, "--check"], check=False,
                          capture_output=True).returncode == 0:
            yield name


async def session_keys(build):
    """The keys of a circuit that goes through a relay."""
    if os.geteuid() != 0:
        raise Skipped("reading the memory of another process needs root")
    names = list(engines(build))
    for name in names:
        await session_keys_of(build, name)
    return ", ".join(names)


async def session_keys_of(build, engine):
    async with World(["peel", "peel"], "python", binary=peel(build),
                     peel_overrides={"aead": {"engine": engine}}) as world:
        await world.settle()
        circuit = await world.origin.build([world.keys[0], world.keys[1]])
        await world.origin.echo(circuit, world.echo_ip, world.echo_port, range(2, 1400, 100))
        for hop, node in zip(world.origin.tunnels.circuits[circuit].hops, world.relays):
            guarded(node.process.pid, {f"the forward key of {node.name}": hop.keys.key_forward,
                                       f"the backward key of {node.name}": hop.keys.key_backward})


# ---- privileges -----------------------------------------------------------------------------------------------------

NET_ADMIN, NET_RAW = 1 << 12, 1 << 13


def threads(pid):
    """(name, fields of /proc/PID/task/TID/status) of each thread."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as status:
            fields = dict(line.rstrip("\n").split(":", 1) for line in status)
        yield fields["Name"].strip(), {name: value.split() for name, value in fields.items()}


def confined(pid, user, keeps=0):
    """Every thread is `user`, has no capability (the control thread: `keeps`), and cannot gain any; how many there are."""
    names = []
    for name, status in threads(pid):
        names.append(name)
        want = {"Uid": [str(user)] * 4, "NoNewPrivs": ["1"], "Seccomp": ["2"]}
        may = keeps if status["Pid"] == [str(pid)] else 0
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            want[field] = ["%016x" % (may if field in ("CapPrm", "CapEff") else 0)]
        got = {field: status.get(field) for field in want}
        if got != want:
            raise RuntimeError(f"thread {name}: {got}, wanted {want}")
    if not {"peel-worker0", "peel-stdout", "peel-stderr"} <= set(names) or len(names) < 5:
        raise RuntimeError(f"only {names}: DPDK's thread and others are missing")
    return len(names)


async def without_privileges(build):
    """Started as root, with nothing said: nobody. Relay and client, all threads; what the status says."""
    if os.geteuid() != 0:
        raise Skipped("starts as root")
    counts = []
    for node in (relay(build), client(build)):
        await node.start()
        try:
            nobody = pwd.getpwnam("nobody")
            await until(lambda pid=node.process.pid: any(name == "peel-worker0" for name, _ in threads(pid)), 10.0, "no worker")
            counts.append(confined(node.process.pid, nobody.pw_uid))
            said = (await ask(node))["privileges"]
            if (said["user"], said["capabilities"], said["no_new_privileges"], said["system_calls"]) != (
                    "nobody", [], True, "seccomp"):
                raise RuntimeError(f"status says {said}")
            if os.path.exists("/proc/self/environ") and os.stat(f"/proc/{node.process.pid}/environ").st_uid != 0:
                raise RuntimeError("may be dumped and traced since it became nobody")
        finally:
            await node.stop()
    return f"{counts} threads, files: {said['files']}"


async def as_root(build):
    """`user = root` stays, without capabilities, and can remove its socket."""
    if os.geteuid() != 0:
        raise Skipped("starts as root")
    node = relay(build, {"node": {"user": "root"}})
    await node.start()
    try:
        confined(node.process.pid, 0)
        if (await ask(node))["privileges"]["user"] != "root":
            raise RuntimeError("the status does not say root")
    finally:
        await node.stop()
    if os.path.exists(node.directory.name + "/peel.sock"):
        raise RuntimeError("the management socket is still there")


def call_in(node, *calls):
    """What system calls return in the control thread of a node: gdb calls libc's functions there."""
    command = ["gdb", "-p", str(node.process.pid), "-batch", "-nx"]
    for call in calls:
        command += ["-ex", f"print (int){call}", "-ex", "print (int)*(int*)((void*(*)(void))__errno_location)()"]
    # It may fall itself when the node does.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=node.directory.name)
    return [int(value) for value in re.findall(r"(?m)^\$\d+ = (-?\d+)$", done.stdout)], done


async def broken_into(build):
    """What somebody could do who makes a node execute what he wants: gdb is that somebody."""
    if os.geteuid() != 0 or not shutil.which("gdb"):
        raise Skipped("needs root and gdb")
    node = relay(build)
    await node.start()
    try:
        harmless = {
            '((int(*)(const char*,int,int))open)("/etc/hosts",0,0)': None,
            '((int(*)(const char*,int,int))open)("/usr/bin/true",0,0)': errno.EACCES,
            '((int(*)(const char*,int,int))open)("/tmp/peel-broken",0101,0600)': errno.EACCES,
            '((int(*)(int,int,int))socket)(1,1,0)': errno.ENOSYS,
            '((int(*)(int,int,int))socket)(17,3,0)': errno.ENOSYS,
            '((int(*)(int,int,int))socket)(2,2,0)': None,
            '((int(*)(void*,long,int))mprotect)((void*)((long)$rsp / 4096 * 4096),4096,7)': errno.ENOSYS,
            '((int(*)(int,unsigned long,char*))ioctl)(0,0x5412,"x")': errno.ENOSYS,
            '((int(*)(int,unsigned long,char*))ioctl)(0,0x100005412,"x")': errno.ENOSYS,
            '((int(*)(int,int))kill)(1,0)': errno.ENOSYS,
        }
        values, done = call_in(node, *harmless)
        if not values and "write extended state status" in done.stderr:
            raise Skipped("gdb before 14 cannot write registers on a CPU with AMX")
        if len(values) != 2 * len(harmless):
            raise RuntimeError(f"gdb says {done.stdout[-600:]} {done.stderr[-600:]}")
        for (call, want), result, code in zip(harmless.items(), values[::2], values[1::2]):
            if (result < 0) != (want is not None) or want not in (None, code):
                raise RuntimeError(f"{call} gave {result}, errno {code}")
        await ask(node)
        call_in(node, '((int(*)(const char*,char**,char**))execve)("/bin/true",0,0)')
        if await asyncio.wait_for(node.process.wait(), 10.0) != -signal.SIGSYS:
            raise RuntimeError("executing a program did not end the process")
    finally:
        await node.kill()


CASES = [
    ("a relay whose output nobody reads", relay_unread),
    ("a client whose output nobody reads", client_unread),
    ("the reader of a relay is gone", closed_output),
    ("the reader of a relay comes back", reader_comes_back),
    ("SIGHUP", hang_up),
    ("the identity in memory", secrets),
    ("session keys in memory", session_keys),
    ("no privileges after the start", without_privileges),
    ("user = root", as_root),
    ("a node that was broken into", broken_into),
]
