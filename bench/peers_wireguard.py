# SPDX-License-Identifier: BSD-3-Clause
"""wireguard-go as a middle node: every packet is decrypted from one tunnel and encrypted into another.

Three network namespaces, ours alone: A sends UDP into its tunnel, M forwards between its two peers inside one
wireguard-go process, B has finished its handshake and is stopped, so that M's packets end in B's link. Packets that
reached B's link are counted, and the CPU time of M's process.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from interop.proc import cpu_nanoseconds, end_all

NAME = "wireguard-go"
PAYLOAD = 1400
UDP_SEGMENT = 103
GROUP = 40
# Sends for that many seconds: a burst every so often, about 160,000 packets a second.
SENDER = f"""
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.99.2.1", 9))
data = bytes({PAYLOAD * GROUP})
control = [(socket.SOL_UDP, {UDP_SEGMENT}, struct.pack("H", {PAYLOAD}))]
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    for _ in range(8):
        try:
            s.sendmsg([data], control)
        except OSError:
            pass
    time.sleep(0.002)
"""
HELLO = 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("10.99.1.1", 9))'


def unavailable():
    """Why it cannot run here, or None."""
    for program in ("wireguard-go", "wg", "ip"):
        if not shutil.which(program):
            return f"{program} is not installed (packages wireguard-go, wireguard-tools, iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not os.path.exists("/dev/net/tun"):
        return "no /dev/net/tun"
    return None


def _run(*command, text=None):
    return subprocess.run(command, input=text, text=True, check=True, capture_output=True).stdout.strip()


class Wireguard:
    def __init__(self, cpus):
        self.cpus = cpus  # of the middle, of the others
        self.id = f"peelwg{os.getpid()}"
        self.directory = tempfile.TemporaryDirectory(prefix="peel-wg-")
        self.processes = {}

    def _ns(self, node):
        return f"{self.id}{node}"

    def _tunnel(self, node):
        """Control sockets are named after interfaces, for all namespaces."""
        return f"wg{os.getpid()}{node}"

    def _in(self, node, *command, text=None):
        return _run("ip", "netns", "exec", self._ns(node), *command, text=text)

    async def start(self):
        keys = {n: _run("wg", "genkey") for n in "amb"}
        public = {n: _run("wg", "pubkey", text=keys[n]) for n in "amb"}
        for node in "amb":
            _run("ip", "netns", "add", self._ns(node))
            self._in(node, "ip", "link", "set", "lo", "up")
        for end, net in (("a", 1), ("b", 2)):
            _run("ip", "link", "add", f"v{end}", "mtu", "1600", "netns", self._ns(end), "type", "veth",
                 "peer", "name", f"v{end}", "mtu", "1600", "netns", self._ns("m"))
            for node, host in ((end, 1), ("m", 2)):
                self._in(node, "ip", "address", "add", f"10.98.{net}.{host}/24", "dev", f"v{end}")
                self._in(node, "ip", "link", "set", f"v{end}", "up")
        for node in "amb":
            await self._start_node(node, keys[node])
        for end, net in (("a", 1), ("b", 2)):
            self._in("m", "wg", "set", self._tunnel("m"), "peer", public[end], "endpoint", f"10.98.{net}.1:5000",
                     "allowed-ips", f"10.99.{net}.0/24")
            self._in(end, "wg", "set", self._tunnel(end), "peer", public["m"], "endpoint", f"10.98.{net}.2:5000",
                     "allowed-ips", "10.99.0.0/16")
            self._in(end, "ip", "address", "add", f"10.99.{net}.1/16", "dev", self._tunnel(end))
            self._in("m", "ip", "route", "add", f"10.99.{net}.0/24", "dev", self._tunnel("m"))
        self._in("m", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        for _ in range(50):  # a datagram from B to A brings about all handshakes
            self._in("b", sys.executable, "-c", HELLO)
            times = self._in("m", "wg", "show", self._tunnel("m"), "latest-handshakes").split()[1::2]
            if len(times) == 2 and "0" not in times:
                break
            await asyncio.sleep(0.2)
        else:
            raise RuntimeError("no handshake")
        self.processes["b"].send_signal(signal.SIGSTOP)
        return self

    async def _start_node(self, node, key):
        cpu = self.cpus[0] if node == "m" else self.cpus[1]
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._ns(node), "taskset", "-c", str(cpu), "wireguard-go", "-f",
             self._tunnel(node)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "WG_PROCESS_FOREGROUND": "1"})
        self.processes[node] = process
        path = os.path.join(self.directory.name, node)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
            file.write(key)
        for _ in range(50):
            await asyncio.sleep(0.1)
            if os.path.exists(f"/var/run/wireguard/{self._tunnel(node)}.sock") and process.poll() is None:
                break
        self._in(node, "wg", "set", self._tunnel(node), "listen-port", "5000", "private-key", path)
        self._in(node, "ip", "link", "set", self._tunnel(node), "mtu", "1480", "up")

    def _forwarded(self):
        """Packets that M sent to B."""
        lines = self._in("m", "cat", "/proc/net/dev").splitlines()
        return next(int(line.split()[10]) for line in lines if line.split()[0] == "vb:")

    async def measure(self, seconds):
        """(payload bytes per CPU second, share of the time that M was busy)"""
        pid = self.processes["m"].pid
        sender = subprocess.Popen(
            ["ip", "netns", "exec", self._ns("a"), "taskset", "-c", str(self.cpus[1]), sys.executable, "-c",
             SENDER.replace("SECONDS", str(seconds + 0.5))], stdin=subprocess.DEVNULL)
        await asyncio.sleep(0.4)
        packets, cpu, start = self._forwarded(), cpu_nanoseconds(pid), time.monotonic()
        await asyncio.sleep(seconds)
        packets, cpu = self._forwarded() - packets, cpu_nanoseconds(pid) - cpu
        elapsed = time.monotonic() - start
        sender.wait(20)
        if packets < 1000:
            raise RuntimeError(f"wireguard-go forwarded only {packets} packets")
        return packets * PAYLOAD * 1e9 / cpu, cpu / 1e9 / elapsed

    async def stop(self):
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
        end_all(self.processes.values())
        for node in "amb":
            subprocess.run(["ip", "netns", "delete", self._ns(node)], check=False, capture_output=True)
        self.directory.cleanup()
