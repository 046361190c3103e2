# SPDX-License-Identifier: BSD-3-Clause
"""A middle relay of Tor in a private network on loopback.

One directory authority, a guard, a middle relay, an exit and a client; a server of ours sends bytes through the exit
to several connections of the client, each over a circuit of its own. The middle relay runs at low priority, so that
it has work waiting whenever it runs. Bytes received by the clients are counted, and its CPU time.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time

from interop.proc import cpu_nanoseconds, end_all

NAME = "Tor middle relay"
CONNECTIONS = 8
NODES = ("authority", "guard", "middle", "exit", "client")
CHUNK = bytes(1 << 16)
COMMON = """
TestingTorNetwork 1
DataDirectory {directory}
Nickname {node}
Address 127.0.0.1
Log notice file {directory}/log
ShutdownWaitLength 0
PidFile {directory}/pid
AssumeReachable 1
ServerDNSAllowBrokenConfig 1
ServerDNSDetectHijacking 0
PathsNeededToBuildCircuits 0.25
"""
AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
DirPort 127.0.0.1:{dir_port}
ContactInfo nobody@test.invalid
ExitPolicy reject *:*
TestingV3AuthInitialVotingInterval 5
V3AuthVotingInterval 10
TestingV3AuthInitialVoteDelay 2
V3AuthVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthDistDelay 2
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
AuthDirMaxServersPerAddr 0
MinUptimeHidServDirectoryV2 0
"""
EXIT = """
ExitRelay 1
ExitPolicyRejectPrivate 0
ExitPolicy accept *:*
"""
CLIENT = """
SocksPort 127.0.0.1:{socks} IsolateSOCKSAuth
EntryNodes {guard}
MiddleNodes {middle}
ExitNodes {exit}
StrictNodes 1
ConfluxEnabled 0
UseMicrodescriptors 0
ClientRejectInternalAddresses 0
"""


def unavailable():
    """Why it cannot run here, or None."""
    for program in ("tor", "tor-gencert"):
        if not shutil.which(program):
            return f"{program} is not installed (package tor)"
    return None


def version():
    words = subprocess.run(["tor", "--version"], text=True, capture_output=True, check=True).stdout.split()
    return words[2].rstrip(".")


class Tor:
    def __init__(self, cpus):
        self.cpus = cpus
        self.directory = tempfile.TemporaryDirectory(prefix="peel-tor-")
        self.processes = {}
        self.received = 0
        self.server = None
        self.tasks = []
        self.ports = None  # of the client's proxy, of our server

    def _path(self, node, *more):
        return os.path.join(self.directory.name, node, *more)

    async def start(self):
        ports = dict(zip((*NODES, "dir_port"), _free_tcp_ports(len(NODES) + 1)))
        for node in NODES:
            os.mkdir(self._path(node), 0o700)
        with open(self._path("none"), "w", encoding="ascii"):
            pass  # instead of the system's configuration
        identity = self._authority_keys(ports)
        prints = {node: self._fingerprint(node, ports[node]) for node in NODES[:-1]}
        authority = (f"DirAuthority authority orport={ports['authority']} no-v2 v3ident={identity} "
                     f"127.0.0.1:{ports['dir_port']} {prints['authority']}\n")
        for node in NODES:
            text = COMMON.format(directory=self._path(node), node=node) + authority
            if node == "client":
                text += CLIENT.format(socks=ports["client"], **{n: prints[n] for n in ("guard", "middle", "exit")})
            else:
                text += f"SocksPort 0\nORPort 127.0.0.1:{ports[node]}\n"
                text += {"authority": AUTHORITY.format(**ports), "exit": EXIT}.get(node, "ExitPolicy reject *:*\n")
            with open(self._path(node, "torrc"), "w", encoding="ascii") as file:
                file.write(text)
            slow = ["nice", "-n", "10"] if node == "middle" else []
            self.processes[node] = subprocess.Popen(
                [*slow, "taskset", "-c", ",".join(map(str, self.cpus)), "tor", "-f", self._path(node, "torrc"),
                 "--defaults-torrc", self._path("none"), "--quiet"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.server = await asyncio.start_server(_serve, "127.0.0.1", 0)
        target = self.server.sockets[0].getsockname()[1]
        self.ports = ports["client"], target
        await self._load(90)
        self._unload()
        return self

    async def _load(self, timeout):
        """Start all connections, until data flows."""
        enough, end = self.received + (8 << 20), time.monotonic() + timeout
        self.tasks = [asyncio.ensure_future(self._download(*self.ports, n)) for n in range(CONNECTIONS)]
        while self.received < enough:
            await asyncio.sleep(0.1)
            if time.monotonic() > end:
                self._unload()
                raise RuntimeError("nothing came through Tor")

    def _unload(self):
        for task in self.tasks:
            task.cancel()
        self.tasks = []

    def _authority_keys(self, ports):
        keys = self._path("authority", "keys")
        os.mkdir(keys, 0o700)
        subprocess.run(["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "1",
                        "-a", f"127.0.0.1:{ports['dir_port']}", "-i", f"{keys}/authority_identity_key",
                        "-s", f"{keys}/authority_signing_key", "-c", f"{keys}/authority_certificate"],
                       input=b"private\n", check=True, capture_output=True)
        with open(f"{keys}/authority_certificate", encoding="ascii") as file:
            return next(line.split()[1] for line in file if line.startswith("fingerprint "))

    def _fingerprint(self, node, port):
        output = subprocess.run(
            ["tor", "--quiet", "--list-fingerprint", "--ORPort", str(port), "--Nickname", node, "--defaults-torrc",
             self._path("none"), "-f", self._path("none"), "--TestingTorNetwork", "1",
             "--DataDirectory", self._path(node), "--DirAuthority", f"x 127.0.0.1:1 {'f' * 40}"],
            text=True, capture_output=True, check=True).stdout
        return "".join(output.split("\n")[0].split()[1:])

    async def _download(self, socks, target, number):
        """Receive from the server through the client, for ever; each number gets a circuit of its own."""
        user = f"user{number}".encode()
        while True:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", socks)
                writer.write(b"\5\1\2")
                await reader.readexactly(2)
                writer.write(b"\1" + bytes([len(user)]) + user + b"\1x")
                await reader.readexactly(2)
                writer.write(b"\5\1\0\1" + bytes([127, 0, 0, 1]) + target.to_bytes(2, "big"))
                if (await reader.readexactly(10))[1] == 0:
                    while data := await reader.read(1 << 20):
                        self.received += len(data)
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                if writer:
                    writer.transport.abort()
            await asyncio.sleep(0.3)

    async def measure(self, seconds):
        """(bytes received per CPU second of the middle relay, share of the time that it was busy)"""
        pid = self.processes["middle"].pid
        await self._load(20)
        received, cpu, start = self.received, cpu_nanoseconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        received, cpu = self.received - received, cpu_nanoseconds(pid) - cpu
        elapsed = time.monotonic() - start
        self._unload()
        if received < 1 << 20:
            raise RuntimeError(f"only {received} bytes came through Tor")
        return received * 1e9 / cpu, cpu / 1e9 / elapsed

    async def stop(self):
        self._unload()
        if self.server:
            self.server.close()
        end_all(self.processes.values())
        self.directory.cleanup()


async def _serve(_, writer):
    try:
        while True:
            writer.write(CHUNK)
            await writer.drain()
    except OSError:
        pass


def _free_tcp_ports(count):
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports
