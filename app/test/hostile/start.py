# SPDX-License-Identifier: BSD-3-Clause
"""Starts on machines that are short of something: hugepages, or an address that comes later."""

import asyncio
import contextlib
import os
import subprocess

from interop.net import free_ports, until
from interop.peelproc import PeelNode
from interop.runner import Skipped

ALONE = True  # other nodes would take the hugepages that are counted here

_POOL = "/proc/sys/vm/nr_hugepages"
_FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"


def _root():
    if os.geteuid() != 0:
        raise Skipped("needs root")


def _number(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())


@contextlib.contextmanager
def free_pages(count):
    """The pool has that many free pages of 2 MiB, for a while."""
    before = _number(_POOL)
    with open(_POOL, "w", encoding="ascii") as file:
        file.write(str(before - _number(_FREE) + count))
    try:
        if _number(_FREE) != count:
            raise Skipped(f"{_number(_FREE)} free hugepages instead of {count}")
        yield
    finally:
        with open(_POOL, "w", encoding="ascii") as file:
            file.write(str(before))


def _relay(build, **more):
    return PeelNode("127.0.0.1", free_ports(1)[0], binary=f"{build}/app/peel/peel", **more)


def _log(node):
    if not os.path.exists(node.log_path):
        return ""
    with open(node.log_path, encoding="utf-8") as log:
        return log.read()


async def together(build):
    """Three relays at once, with pages for one of them: those who come late go on without."""
    _root()
    late = 0
    with free_pages(32):
        for _ in range(6):
            nodes = [_relay(build) for _ in range(3)]
            try:
                await asyncio.gather(*[node.start() for node in nodes])
                texts = [_log(node) for node in nodes]
                late += sum("starts again without hugepages" in text for text in texts)
                with_pages = sum("hugepages: 21 x 2 MiB" in text and "starts again" not in text for text in texts)
                if with_pages > 1:
                    raise AssertionError(f"{with_pages} relays of 21 pages each had 32 pages")
            finally:
                for node in nodes:
                    await node.stop()
    return f"18 starts, {late} lost the race and went on"


@contextlib.contextmanager
def _cgroup_without_pages():
    """A control group that may use no hugepages, as containers have."""
    for line in open("/proc/mounts", encoding="utf-8"):
        _, where, kind = line.split()[:3]
        if kind == "cgroup2" and "hugetlb" in open(f"{where}/cgroup.controllers", encoding="ascii").read().split():
            break
    else:
        raise Skipped("no control groups for hugepages")
    with contextlib.suppress(OSError), open(f"{where}/cgroup.subtree_control", "w", encoding="ascii") as file:
        file.write("+hugetlb")
    group = f"{where}/peel-test-{os.getpid()}"
    os.mkdir(group)
    try:
        with open(f"{group}/hugetlb.2MB.max", "w", encoding="ascii") as file:
            file.write("0")
        yield group
    finally:
        os.rmdir(group)


async def container(build):
    """Free pages on the host and a limit of 0 for this program: auto starts without, yes says what is wrong."""
    _root()
    with free_pages(128), _cgroup_without_pages() as group:
        inside = ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"]
        node = await _relay(build, prefix=inside).start()
        await node.stop()
        if "limit of its container" not in _log(node):
            raise AssertionError(_log(node))
        check = subprocess.run([*inside, node.binary, "relay", "-c", node.config_path, "--check"],
                               capture_output=True, text=True, check=False)
        if check.returncode or "limit of its container" not in check.stdout:
            raise AssertionError(f"--check: {check}")
        strict = _relay(build, prefix=inside, overrides={"workers": {"hugepages": "yes"}})
        try:
            await strict.start()
        except RuntimeError as error:
            if "[workers] hugepages" not in str(error) or "limit of its container" not in str(error):
                raise
        else:
            await strict.stop()
            raise AssertionError("hugepages = yes started without any")


async def late_address(build):
    """`listen` names an address that DHCP has not brought yet: the relay waits, and is there when it comes."""
    _root()
    name = f"peel{os.getpid()}-late"
    subprocess.run(["ip", "netns", "add", name], check=True)
    inside = ["ip", "netns", "exec", name]
    try:
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        node = PeelNode("192.0.2.77", 8090, binary=f"{build}/app/peel/peel", prefix=inside)
        check = subprocess.run([*inside, node.binary, "relay", "-c", node.config_path, "--check"],
                               capture_output=True, text=True, check=False)
        if check.returncode or "does not have 192.0.2.77 yet" not in check.stdout:
            raise AssertionError(f"--check: {check}")
        start = asyncio.ensure_future(node.start(timeout=60))
        try:
            await until(lambda: "waiting for the address 192.0.2.77" in _log(node), 20, "the relay waits")
        finally:
            subprocess.run([*inside, "ip", "addr", "add", "192.0.2.77/32", "dev", "lo"], check=True)
            await start
            await node.stop()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


CASES = [
    ("three relays, hugepages for one", together),
    ("a container without hugepages", container),
    ("an address that comes later", late_address),
]
