# SPDX-License-Identifier: BSD-3-Clause
"""Open endpoints, and plain sockets to talk to them."""

import contextlib
import socket
import threading
import time

from peel_ipv8._peel import _Endpoint

PREFIX = b"\x00\x02" + bytes(range(20))
OTHER = b"\x00\x02" + bytes(range(20, 40))


class Sink:
    """A callback that keeps what it is given."""

    def __init__(self):
        self.got = []
        self.threads = set()

    def __call__(self, *args):
        self.got.append(args)
        self.threads.add(threading.get_ident())

    def wait(self, count, timeout=10.0):
        """So many, or an AssertionError."""
        end = time.monotonic() + timeout
        while len(self.got) < count:
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.got)} of {count} datagrams came in {timeout} s")
            time.sleep(0.005)
        return self.got


@contextlib.contextmanager
def opened(host="127.0.0.1", port=0, prefixes=(PREFIX,), threads=1):
    """(endpoint, sink)"""
    endpoint, sink = _Endpoint(host, port), Sink()
    if not endpoint.open(sink, threads):
        raise AssertionError(f"{host}:{port} was not opened")
    try:
        endpoint.set_prefixes(list(prefixes))
        yield endpoint, sink
    finally:
        endpoint.close(1)


@contextlib.contextmanager
def plain_socket(host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(10)
        yield sock


def message(number=1, prefix=PREFIX, size=100):
    """A datagram of an overlay, with that message id."""
    return prefix + bytes([number]) + b"x" * (size - 23)
