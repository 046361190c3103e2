# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces joined by a bridge: a small Ethernet for Peel's ethdev port, without hardware.

Every namespace has one interface, eth0, and the addresses 10.99.0.N/24 and fd99::N/64. On the end of a
kernel stack transmit offloads are off, because a veth otherwise hands over packets whose checksum is not
filled in yet. A DPDK end has no address: its application answers ARP and neighbour solicitations itself,
and the kernel keeps quiet.
"""

import itertools
import os
import subprocess

_numbers = itertools.count(1)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


class Ethernet:
    """Use as: with Ethernet() as ethernet. Removes what it made, and nothing else."""

    def __init__(self):
        # The process id keeps two runs on one machine apart, the number two worlds of one run.
        self.prefix = f"peel{os.getpid()}-{next(_numbers)}-"
        self.made = []

    def __enter__(self):
        try:
            self.switch = self._namespace("switch")
            self._in(self.switch, "ip", "link", "add", "br0", "type", "bridge")
            self._in(self.switch, "ip", "link", "set", "br0", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(self.made):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
        self.made = []

    def _namespace(self, name):
        full = self.prefix + name
        _run("ip", "netns", "add", full)
        self.made.append(full)
        return full

    def _in(self, namespace, *command):
        _run("ip", "netns", "exec", namespace, *command)

    def _plug_in(self, namespace, number, mac):
        plug = f"p{number}"
        _run("ip", "link", "add", plug, "netns", self.switch, "type", "veth",
             "peer", "name", "eth0", "address", mac, "netns", namespace)
        self._in(self.switch, "ip", "link", "set", plug, "master", "br0", "up")

    def plug_in(self, number, mac):
        """Once more, after its eth0 was deleted; for namespaces without a kernel stack."""
        namespace = f"{self.prefix}n{number}"
        self._plug_in(namespace, number, mac)
        self._in(namespace, "ip", "link", "set", "eth0", "up")

    def add(self, number, kernel=True):
        """A namespace with eth0 plugged into the switch. Gives (command prefix, IPv4, IPv6, MAC)."""
        namespace = self._namespace(f"n{number}")
        mac = f"02:99:00:00:00:{number:02x}"
        ip4, ip6 = f"10.99.0.{number}", f"fd99::{number:x}"
        if not kernel:
            # No neighbour discovery or listener reports of the kernel on the wire.
            self._in(namespace, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        self._plug_in(namespace, number, mac)
        self._in(namespace, "ip", "link", "set", "lo", "up")
        if kernel:
            self._in(namespace, "ethtool", "-K", "eth0", "tx", "off")
            self._in(namespace, "ip", "addr", "add", f"{ip4}/24", "dev", "eth0")
            self._in(namespace, "ip", "addr", "add", f"{ip6}/64", "dev", "eth0", "nodad")
        self._in(namespace, "ip", "link", "set", "eth0", "up")
        return ["ip", "netns", "exec", namespace], ip4, ip6, mac
