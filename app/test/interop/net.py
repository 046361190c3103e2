# SPDX-License-Identifier: BSD-3-Clause
"""Small socket and waiting helpers."""

import asyncio
import random
import socket
import time

_given = set()


def free_ports(count, ip="127.0.0.1"):
    """UDP ports free at this moment, each given once, and below those that exits get from the kernel meanwhile: so they
    stay free until they are used, also beside other worlds and other runs."""
    ports = []
    while len(ports) < count:
        port = random.randrange(10000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.bind((ip, port))
            except OSError:
                continue
        if port not in _given:
            ports.append(port)
            _given.add(port)
    return ports


def with_port(ip, port):
    """As settings write an address and its port."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def have_ipv6():
    """Can this network namespace send to its own IPv6 loopback address?"""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


def own_address():
    """An IPv4 address of this machine beside loopback, or None. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(("198.51.100.1", 9))
        except OSError:
            return None
        ip = sock.getsockname()[0]
    return None if ip.startswith("127.") else ip


async def until(check, timeout, what, interval=0.1):
    """Wait until check() (a function, or a coroutine function) is true; its last value is the result."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what} (waited {timeout} s)")
        await asyncio.sleep(interval)


async def stop_all(nodes, servers):
    """The last first. One that ends badly is an error, but the rest is stopped first."""
    error = None
    for node in reversed(nodes):
        try:
            await node.stop()
        except Exception as failure:  # keep stopping the others
            error = error or failure
    for server in servers:
        if server:
            server.close()
    if error:
        raise error
