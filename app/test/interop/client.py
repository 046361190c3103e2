# SPDX-License-Identifier: BSD-3-Clause
"""Sends numbered datagrams through a circuit and checks that each comes back byte-exact."""

import asyncio
import time
from collections import Counter

from .echo import payload


class EchoClient:
    """Keeps a window of unanswered datagrams. A lost one stays lost: nothing is sent twice."""

    def __init__(self, send, expect_origin=None):
        self.send = send
        self.expect_origin = expect_origin
        self.waiting = Counter()
        self.sent = self.received = self.bad = self.bytes = 0
        self.event = asyncio.Event()

    def on_data(self, origin, data):
        """A datagram came out of the circuit."""
        data = bytes(data)
        if self.waiting[data] <= 0 or (self.expect_origin and tuple(origin[:2]) != self.expect_origin):
            self.bad += 1
            return
        self.waiting[data] -= 1
        if not self.waiting[data]:
            del self.waiting[data]
        self.received += 1
        self.bytes += len(data)
        self.event.set()

    async def run(self, sizes, window=32, timeout=5.0, any_shape=False, first=0, progress=None):
        """Send one datagram per size. Ends when all are answered or none came for `timeout` seconds."""
        start = time.monotonic()
        for number, size in enumerate(sizes, first):
            while self.sent - self.received >= window:
                if not await self._progress(timeout):
                    return self.result(start)
            data = payload(size, number, any_shape)
            self.waiting[data] += 1
            self.sent += 1
            self.send(data)
            if progress:
                progress(self)
        while self.received < self.sent:
            if not await self._progress(timeout):
                break
        return self.result(start)

    async def _progress(self, timeout):
        self.event.clear()
        try:
            await asyncio.wait_for(self.event.wait(), timeout)
            return True
        except TimeoutError:
            return False

    def result(self, start):
        return {"sent": self.sent, "received": self.received, "lost": self.sent - self.received,
                "bad": self.bad, "bytes": self.bytes, "seconds": time.monotonic() - start,
                "lost_sizes": sorted(len(data) for data in self.waiting)[:20]}
