# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Peel authors
"""Kernel UDP client of veth_echo.sh: every size, both families, fragments, the exit endpoint, a burst, a ping."""
import socket
import struct
import sys
import time

DRIVER = sys.argv[1]
MAIN, EXIT, NOBODY = 7000, 30000, 30001
SIZES = [0, 1, 2, 17, 18, 19, 100, 511, 512, 1000, 1232, 1400, 1452, 1472]
# Fragments: af_packet is given datagrams that the kernel has reassembled, and cuts them at 1982 bytes of frame.
LARGE = [1473, 1500, 1700, 1900, 1930] if DRIVER == "af_packet" else [1473, 1500, 1700, 1900, 2000, 2047, 2048]
# The kernel reassembles IPv6 for nobody but itself: parts arrive as they are.
LARGE6 = [1453, 1500, 2000, 2048]


def pattern(size, seed):
    return bytes((i * 7 + seed) & 0xFF for i in range(size))


def echo(family, address, port, size, tries=3):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((address, port))
        data = pattern(size, port)
        for _ in range(tries):
            s.send(data)
            try:
                if s.recv(65536) == data:
                    return True
                print("different data came back:", address, port, size)
                return False
            except TimeoutError:
                continue
    return False


def silent(family, address, port):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        s.connect((address, port))
        s.send(b"hello")
        try:
            s.recv(100)
        except TimeoutError:
            return True
        except ConnectionRefusedError:
            print("an ICMP error came back")
    return False


def burst(count, size):
    """How many of a train of datagrams come back; windowed, so that no buffer overflows."""
    back = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect(("10.77.0.1", MAIN))
        begin = time.monotonic()
        for i in range(0, count, 32):
            for k in range(32):
                s.send((i + k).to_bytes(4, "big") + bytes(size - 4))
            for k in range(32):
                try:
                    if int.from_bytes(s.recv(2048)[:4], "big") != i + k:
                        print("out of order")
                        return 0
                    back += 1
                except TimeoutError:
                    break
        print(f"{back} of {count} datagrams of {size} bytes came back in {time.monotonic() - begin:.2f} s")
    return back


def ping(family, address):
    v6 = family == socket.AF_INET6
    echo_request, echo_reply = (128, 129) if v6 else (8, 0)
    data = struct.pack("!BBHHH", echo_request, 0, 0, 0x1234, 1) + pattern(56, 0)
    if not v6:  # for IPv6 the kernel fills it in
        total = sum(struct.unpack(f"!{len(data) // 2}H", data))
        total = (total & 0xFFFF) + (total >> 16)
        data = data[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + data[4:]
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP) as s:
        s.settimeout(2)
        s.connect((address, 0))
        s.send(data)
        try:
            while True:
                answer = s.recv(2048)[0 if v6 else 20:]
                if answer[0] == echo_reply and answer[4:] == data[4:]:
                    return True
        except TimeoutError:
            return False


def main():
    failed = []
    for family, address, large in ((socket.AF_INET, "10.77.0.1", LARGE), (socket.AF_INET6, "fd77::1", LARGE6)):
        for port in (MAIN, EXIT):
            failed += [(address, port, size) for size in SIZES + large if not echo(family, address, port, size)]
        if not silent(family, address, NOBODY):
            failed.append((address, NOBODY, "not silent"))
        if not ping(family, address):
            failed.append((address, "ping"))
    if burst(3200, 1400) < 3000:
        failed.append("burst")
    for f in failed:
        print("failed:", f)
    return 1 if failed else 0


sys.exit(main())
