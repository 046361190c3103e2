# SPDX-License-Identifier: BSD-3-Clause
"""A real BitTorrent client (libtorrent), and what it meets outside: a UDP tracker and a DHT node.

Debian has libtorrent for the system's Python, which is the one that the virtual environment runs: it is only taken
from the system's folder. Nodes in processes of their own, see remote.py.
"""

import asyncio
import os
import random
import socket
import struct
import sys
import tempfile

NAME = "peel-test.bin"


def load():
    """The module, or None."""
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import libtorrent
    except ImportError:
        return None
    finally:
        sys.path.pop()
    return libtorrent


class Torrent:
    """One session. `proxy`: port of a SOCKS5 server that everything goes through; None: directly."""

    def __init__(self, listen, proxy=None, dht_node=None):
        self.listen, self.proxy, self.dht_node = listen, proxy, dht_node
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-torrent-")
        self.session = self.handle = None

    async def start(self):
        lt = self.lt = load()
        if lt is None:
            return self
        settings = {
            "listen_interfaces": self.listen, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
            "enable_dht": self.dht_node is not None, "dht_bootstrap_nodes": "",
            "enable_outgoing_tcp": False, "enable_incoming_tcp": False, "allow_multiple_connections_per_ip": True,
            "close_redundant_connections": False,
            "dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_ignore_dark_internet": False,
            "dht_prefer_verified_node_ids": False, "dht_enforce_node_id": False,
        }
        if self.dht_node:
            settings["dht_bootstrap_nodes"] = "%s:%d" % tuple(self.dht_node)
        if self.proxy:
            settings.update({"proxy_type": lt.proxy_type_t.socks5, "proxy_hostname": "127.0.0.1",
                             "proxy_port": self.proxy, "proxy_peer_connections": True,
                             "proxy_tracker_connections": True, "proxy_hostnames": True})
        self.session = lt.session(settings)
        return self

    async def version(self):
        return self.lt.__version__ if self.lt else None

    async def port(self):
        return self.session.listen_port()

    async def share(self, size, tracker=None):
        """Offer a file of random bytes without announcing it; gives the torrent file, hexadecimal."""
        path = os.path.join(self.directory.name, NAME)
        with open(path, "wb") as file:
            file.write(random.Random(size).randbytes(size))
        storage = self.lt.file_storage()
        self.lt.add_files(storage, path)
        torrent = self.lt.create_torrent(storage, 16384)
        if tracker:
            torrent.add_tracker(tracker)
        self.lt.set_piece_hashes(torrent, self.directory.name)
        encoded = self.lt.bencode(torrent.generate())
        self._add(encoded, [])
        return encoded.hex()

    async def fetch(self, torrent):
        self._add(bytes.fromhex(torrent))

    async def info_hash(self):
        """Of BitTorrent's first version, which Tribler's users share."""
        return str(self.handle.info_hash())

    async def add_peer(self, host, port):
        self.handle.connect_peer((host, port))

    def _add(self, encoded, trackers=None):
        self.handle = self.session.add_torrent({"ti": self.lt.torrent_info(self.lt.bdecode(encoded)),
                                                "save_path": self.directory.name})
        if trackers is not None:
            self.handle.replace_trackers(trackers)

    async def announce_dht(self):
        self.handle.force_dht_announce()

    async def progress(self):
        status = self.handle.status()
        return {"state": str(status.state), "progress": status.progress, "peers": status.num_peers,
                "trackers": [tracker.get("message", "") for tracker in self.handle.trackers()]}

    async def peers(self):
        """IP addresses it is connected to."""
        return sorted({peer.ip[0] for peer in self.handle.get_peer_info()})

    async def content(self):
        with open(os.path.join(self.directory.name, NAME), "rb") as file:
            return file.read() == random.Random(os.path.getsize(file.name)).randbytes(os.path.getsize(file.name))

    async def stop(self):
        if self.session:
            self.session.pause()
        self.session = self.handle = None
        self.directory.cleanup()


class Server(asyncio.DatagramProtocol):
    """One UDP port; who sent to it is remembered."""

    def __init__(self):
        self.sources = set()
        self.transport = None

    async def start(self, ip="127.0.0.1"):
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(ip, 0))
        return self

    def connection_made(self, transport):
        self.transport = transport

    @property
    def address(self):
        return self.transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data, addr):
        self.sources.add(addr[0])
        answer = self.answer(data, addr)
        if answer:
            self.transport.sendto(answer, addr)

    def close(self):
        self.transport.close()


class UdpTracker(Server):
    """BEP 15: connect and announce. `peers` are told to everybody."""

    MAGIC = 0x41727101980

    def __init__(self, peers=()):
        super().__init__()
        self.peers = list(peers)
        self.connections = set()
        self.announced = []  # (IP address, port in the announce)
        self.wrong = 0

    def answer(self, data, addr):
        if len(data) < 16:
            self.wrong += 1
            return None
        first, action, transaction = struct.unpack_from("!QII", data)
        if action == 0 and first == self.MAGIC:
            connection = random.getrandbits(64)
            self.connections.add(connection)
            return struct.pack("!IIQ", 0, transaction, connection)
        if action == 1 and first in self.connections and len(data) >= 98:
            self.announced.append((addr[0], struct.unpack_from("!H", data, 96)[0]))
            peers = b"".join(socket.inet_aton(ip) + struct.pack("!H", port) for ip, port in self.peers)
            return struct.pack("!IIIII", 1, transaction, 60, 0, len(self.peers)) + peers
        self.wrong += 1
        return None


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def bdecode(data, at=0):
    """(value, where it ended)."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end], end


class DhtNode(Server):
    """BEP 5: answers every query, knows nobody but itself."""

    def __init__(self, peers=()):
        super().__init__()
        self.id = random.randbytes(20)
        self.peers = list(peers)
        self.queries = {}
        self.announced = set()

    def answer(self, data, addr):
        try:
            message, _ = bdecode(data)
            query, arguments = message[b"q"].decode(), message[b"a"]
        except (ValueError, KeyError, IndexError):
            return None
        self.queries[query] = self.queries.get(query, 0) + 1
        result = {b"id": self.id}
        if query in ("find_node", "get_peers"):
            ip, port = self.address
            result[b"nodes"] = self.id + socket.inet_aton(ip) + struct.pack("!H", port)
        if query == "get_peers":
            result[b"token"] = b"token"
            if self.peers:
                result[b"values"] = [socket.inet_aton(ip) + struct.pack("!H", port) for ip, port in self.peers]
        if query == "announce_peer":
            self.announced.add(arguments[b"info_hash"])
        return bencode({b"t": message[b"t"], b"y": b"r", b"r": result,
                        b"ip": socket.inet_aton(addr[0]) + struct.pack("!H", addr[1])})
