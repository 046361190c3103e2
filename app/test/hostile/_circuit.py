# SPDX-License-Identifier: BSD-3-Clause
"""An originator made of sockets and py-ipv8's cryptography, for what no honest node does."""

import asyncio
import os
import socket
import threading
import time

from ipv8.messaging.anonymization.crypto import CryptoException, TunnelCrypto
from ipv8.messaging.anonymization.tunnel import BACKWARD, FORWARD

from interop.peer import DEFAULT_COMMUNITY, new_key, public_key

CREATE, CREATED, EXTEND, PING, PONG, TEST_REQUEST, TEST_RESPONSE = 2, 3, 4, 6, 7, 19, 20
PREFIX = b"\x00\x02" + bytes.fromhex(DEFAULT_COMMUNITY)
CELL = PREFIX + b"\x00"
HEADER = 29  # prefix, message, circuit id, plaintext flag, early flag


def cell(circuit_id, plain, early, message):
    return CELL + circuit_id.to_bytes(4, "big") + bytes([plain, early]) + message


def create(circuit_id, identifier, key, point):
    """A whole create; `point` need not be anybody's: nearly all 32 bytes are valid."""
    return cell(circuit_id, 1, 1, b"\x02" + identifier + b"\x00\x4a" + key + b"\x00\x20" + point)


class Circuit:
    """A circuit of one hop over a socket of its own."""

    crypto = TunnelCrypto()

    def __init__(self, relay, key, ip="127.0.0.1"):
        """`relay` is the address, `key` the public key of the hop."""
        self.relay, self.hop = relay, bytes.fromhex(key)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((ip, 0))
        self.key = public_key(new_key())
        self.circuit_id = int.from_bytes(os.urandom(4), "big")
        self.keys = self.created = None

    async def receive(self, timeout):
        """A datagram, or None."""
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, 4096), timeout)
        except TimeoutError:
            return None

    async def join(self, timeout=3.0):
        """create and created; true when the hop has joined."""
        secret, point = self.crypto.generate_diffie_secret()
        identifier = os.urandom(2)
        self.sock.sendto(create(self.circuit_id, identifier, self.key, point), self.relay)
        data = await self.receive(timeout)
        if data is None or data[HEADER] != CREATED or data[HEADER + 1:HEADER + 3] != identifier:
            return False
        answer = data[HEADER + 5:]
        shared = self.crypto.verify_and_generate_shared_secret(secret, answer[:32], answer[32:64], self.hop[10:42])
        self.keys = self.crypto.generate_session_keys(shared)
        self.created = data
        return True

    def seal(self, message, early=False):
        return cell(self.circuit_id, 0, int(early), self.keys.encrypt_str(message, FORWARD))

    def send(self, message, early=False):
        data = self.seal(message, early)
        self.sock.sendto(data, self.relay)
        return data

    def open(self, data):
        """The message in a cell from the hop, or b"" when it is none."""
        if not data.startswith(CELL) or data[27]:
            return b""
        try:
            return self.keys.decrypt_str(data[HEADER:], BACKWARD)
        except (CryptoException, ValueError):
            return b""

    async def ask(self, message, timeout=3.0):
        """Send, and wait for a message with the id after that of the question and the same identifier."""
        self.send(message)
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            data = await self.receive(left)
            answer = self.open(data) if data else b""
            if answer[:1] == bytes([message[0] + 1]) and answer[1:3] == message[1:3]:
                return answer
        return None

    async def ping(self, timeout=3.0):
        return await self.ask(bytes([PING]) + os.urandom(2), timeout) is not None

    def drain(self):
        """How many datagrams were waiting."""
        count = 0
        try:
            while self.sock.recv(4096):
                count += 1
        except BlockingIOError:
            return count

    def close(self):
        self.sock.close()


class Forger:
    """Sends creates at a rate, each from another loopback address, on a thread of its own. Use with `with`."""

    def __init__(self, target, rate):
        self.target, self.rate, self.sent = target, rate, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def _run(self):
        key = public_key(new_key())
        start = time.monotonic()
        while not self.stopped.is_set():
            while self.sent < (time.monotonic() - start) * self.rate:
                rest = os.urandom(39)
                ip = "127.%d.%d.%d" % (rest[0] % 100 + 100, rest[1], rest[2] % 254 + 1)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind((ip, 0))
                    sock.sendto(create(int.from_bytes(rest[3:7], "big"), rest[:2], key, rest[7:]), self.target)
                self.sent += 1
            self.stopped.wait(0.005)
