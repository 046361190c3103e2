# SPDX-License-Identifier: BSD-3-Clause
"""lib/peel/peel.h for Python: the same structures and functions, through ctypes.

The structures are written down here by hand; install.py has a C compiler compare them with the header.
"""

import ctypes
import errno
import ipaddress
import os
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_bool, c_char, c_char_p, c_double, c_int, c_int64,
                    c_size_t, c_uint, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)

HOPS_LIMIT, KEY_LEN, PAYLOAD_MAX, SERVICE_ID_LEN = 8, 74, 1600, 20
ADDRESS_NONE, ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_DOMAIN = range(4)
STATES = ("extending", "ready", "closing")
DATA = 1


class Address(Structure):
    _fields_ = [("type", c_uint8), ("port", c_uint16), ("ip", c_uint8 * 16), ("domain", c_char * 256)]

    @classmethod
    def of(cls, host, port):
        self = cls(port=port)
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            self.type, self.domain = ADDRESS_DOMAIN, host.encode()
            return self
        self.type = ADDRESS_IPV4 if ip.version == 4 else ADDRESS_IPV6
        self.ip[:len(ip.packed)] = ip.packed
        return self

    def pair(self):
        """(host, port), or None."""
        if self.type == ADDRESS_IPV4:
            return str(ipaddress.IPv4Address(bytes(self.ip[:4]))), self.port
        if self.type == ADDRESS_IPV6:
            return str(ipaddress.IPv6Address(bytes(self.ip))), self.port
        return (self.domain.decode(), self.port) if self.type == ADDRESS_DOMAIN else None


class Settings(Structure):
    _fields_ = [
        ("size", c_size_t),
        ("min_circuits", c_uint32), ("max_circuits", c_uint32), ("max_time", c_uint32), ("max_time_ip", c_uint32),
        ("max_time_inactive", c_uint32), ("max_traffic", c_uint64), ("circuit_timeout", c_uint32),
        ("next_hop_timeout", c_uint32), ("max_relay_early", c_uint32), ("allow_same_network", c_bool),
        ("isolate_destinations", c_bool),
        ("become_exitnode", c_bool), ("peer_flags", c_uint16), ("max_joined_circuits", c_uint32),
        ("unstable_timeout", c_uint32), ("remove_tunnel_delay", c_uint32), ("exit_loopback", c_bool),
        ("exit_private", c_bool), ("exit_any_payload", c_bool),
        ("swarm_lookup_interval", c_uint32), ("swarm_connection_limit", c_uint32), ("dht_provider", c_void_p),
        ("key_file", c_char_p), ("community", c_char_p), ("listen", c_char_p), ("public_address", c_char_p),
        ("bootstrap", POINTER(c_char_p)), ("dns_servers", POINTER(c_char_p)), ("max_peers", c_uint32),
        ("workers", c_uint), ("cores", POINTER(c_int)), ("poll", c_bool), ("engine", c_char_p),
        ("hugepages", c_bool), ("memory", c_uint32), ("management", c_char_p),
    ]


class Hop(Structure):
    _fields_ = [("key", c_uint8 * KEY_LEN), ("address", Address)]


class Info(Structure):
    _fields_ = [("state", c_int), ("circuit_id", c_uint32), ("goal", c_uint), ("hops", c_uint),
                ("hop", Hop * HOPS_LIMIT), ("age_ms", c_uint64), ("idle_ms", c_uint64), ("bytes_up", c_uint64),
                ("bytes_down", c_uint64), ("rtt_ms", c_uint32)]


class Test(Structure):
    _fields_ = [("rust", c_bool), ("request_size", c_uint16), ("response_size", c_uint16)]


class ServiceOptions(Structure):
    _fields_ = [("size", c_size_t), ("hops", c_uint), ("seed", c_bool), ("find", c_bool), ("key_file", c_char_p)]


class ServiceInfo(Structure):
    _fields_ = [("hops", c_uint), ("seed", c_bool), ("find", c_bool), ("peers", c_uint32), ("connecting", c_uint32),
                ("introduction_points", c_uint32), ("own_introduction_points", c_uint32), ("seeders", c_uint32),
                ("looked_up_ms", c_int64), ("key", c_uint8 * KEY_LEN)]


# Name in the header, and what it is here.
LAYOUT = {"peel_address": Address, "peel_settings": Settings, "peel_circuit_hop": Hop,
          "peel_circuit_info": Info, "peel_test": Test, "peel_service_options": ServiceOptions,
          "peel_service_info": ServiceInfo}

ON_DATA = CFUNCTYPE(None, c_void_p, c_void_p, c_uint64, POINTER(Address), c_void_p, c_size_t)
ON_CIRCUIT = CFUNCTYPE(None, c_void_p, c_void_p, c_uint64, c_bool)
ON_PEER = CFUNCTYPE(None, c_void_p, c_void_p, POINTER(Address))
HTTP_DONE = CFUNCTYPE(None, c_void_p, c_int, c_void_p, c_size_t)
TEST_DONE = CFUNCTYPE(None, c_void_p, c_int, c_uint64, c_size_t)

# Result and arguments. ctypes lets go of the interpreter lock during a call.
_FUNCTIONS = {
    "peel_settings_init": (None, POINTER(Settings)),
    "peel_open": (c_int, POINTER(Settings), POINTER(c_void_p)),
    "peel_close": (None, c_void_p),
    "peel_run": (c_int, c_void_p),
    "peel_poll": (c_int, c_void_p, c_int),
    "peel_fd": (c_int, c_void_p),
    "peel_timeout": (c_int, c_void_p),
    "peel_strerror": (c_char_p, c_int),
    "peel_version": (c_char_p,),
    "peel_local_address": (None, c_void_p, POINTER(Address)),
    "peel_add_bootstrap": (c_int, c_void_p, c_char_p),
    "peel_build_tunnels": (c_int, c_void_p, c_uint),
    "peel_stop_tunnels": (c_int, c_void_p, c_uint),
    "peel_active_data_circuits": (c_size_t, c_void_p, POINTER(c_uint64), c_size_t),
    "peel_active_data_circuits_of": (c_size_t, c_void_p, c_uint, POINTER(c_uint64), c_size_t),
    "peel_tunnels_ready": (c_double, c_void_p, c_uint),
    "peel_tunnels_missing": (c_int, c_void_p, c_uint, c_char_p, c_size_t),
    "peel_circuit_for": (c_uint64, c_void_p, c_uint, POINTER(Address)),
    "peel_close_circuit": (c_int, c_void_p, c_uint64),
    "peel_tunnel_data": (c_int, c_void_p, c_uint64, POINTER(Address), c_int, c_char_p, c_size_t),
    "peel_on_data": (None, c_void_p, ON_DATA, c_void_p),
    "peel_on_circuit": (None, c_void_p, ON_CIRCUIT, c_void_p),
    "peel_circuit_info": (c_int, c_void_p, c_uint64, POINTER(Info)),
    "peel_status": (c_void_p, c_void_p),
    "peel_http_request": (c_int, c_void_p, c_uint64, POINTER(Address), c_char_p, c_size_t, HTTP_DONE, c_void_p),
    "peel_http_circuit": (c_uint64, c_void_p, c_uint),
    "peel_test_circuit": (c_int, c_void_p, c_uint64, POINTER(Test), TEST_DONE, c_void_p),
    "peel_service_options_init": (None, POINTER(ServiceOptions)),
    "peel_join_service": (c_int, c_void_p, c_char_p, POINTER(ServiceOptions), ON_PEER, ON_PEER, c_void_p),
    "peel_leave_service": (c_int, c_void_p, c_char_p),
    "peel_service_info": (c_int, c_void_p, c_char_p, POINTER(ServiceInfo)),
    "peel_peer_circuit": (c_uint64, c_void_p, POINTER(Address)),
}

_library = None


def library():
    """The shared library that PEEL_LIBRARY names."""
    global _library
    if _library is None:
        _library = ctypes.CDLL(os.environ.get("PEEL_LIBRARY", "build/lib/peel/libpeel.so.0"))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(_library, name)
            function.restype, function.argtypes = result, arguments
    return _library


_libc = ctypes.CDLL(None)
_libc.free.argtypes = [c_void_p]


class PeelError(OSError):
    """A negative result of the library."""

    def __init__(self, code):
        text = library().peel_strerror(code).decode()
        super().__init__(-code, f"{errno.errorcode.get(-code, -code)}: {text}")


def check(result):
    if result < 0:
        raise PeelError(result)
    return result


def _strings(values):
    return (c_char_p * (len(values) + 1))(*[value.encode() for value in values], None)


def settings(**changes):
    """Defaults with some changes; returns the structure, which keeps alive what it points to."""
    s = Settings()
    library().peel_settings_init(byref(s))
    for name, value in changes.items():
        if not hasattr(Settings, name):
            raise AttributeError(f"struct peel_settings has no {name}")
        if name in ("bootstrap", "dns_servers"):
            value = _strings(value)
        elif name == "cores":
            value = (c_int * len(value))(*value)
        elif isinstance(value, str):
            value = value.encode()
        setattr(s, name, value)
    return s


class Node:
    """A struct peel, its calls by their names without the prefix. Results below zero raise PeelError."""

    def __init__(self, **changes):
        self.lib = library()
        self.handle = c_void_p()
        check(self.lib.peel_open(byref(settings(**changes)), byref(self.handle)))
        self._kept = {}

    def close(self):
        self.lib.peel_close(self.handle)
        self.handle = None

    def __getattr__(self, name):
        function = getattr(self.lib, "peel_" + name)

        def call(*args):
            result = function(self.handle, *args)
            return check(result) if function.restype is c_int else result
        return call

    def on_data(self, callback):
        """callback(circuit, (host, port), payload), in the thread that drives the node."""
        def data(_arg, _peel, circuit, origin, payload, size):
            callback(circuit, origin.contents.pair(), ctypes.string_at(payload, size))
        self._kept["data"] = ON_DATA(data)
        self.lib.peel_on_data(self.handle, self._kept["data"], None)

    def on_circuit(self, callback):
        """callback(circuit, ready)."""
        self._kept["circuit"] = ON_CIRCUIT(lambda _arg, _peel, circuit, ready: callback(circuit, ready))
        self.lib.peel_on_circuit(self.handle, self._kept["circuit"], None)

    def active(self, hops=0):
        many = (c_uint64 * 256)()
        n = self.lib.peel_active_data_circuits_of(self.handle, hops, many, len(many)) if hops else \
            self.lib.peel_active_data_circuits(self.handle, many, len(many))
        return list(many[:min(n, len(many))])

    def missing(self, hops):
        """(enum peel_missing, text)"""
        text = ctypes.create_string_buffer(256)
        return self.tunnels_missing(hops, text, len(text)), text.value.decode()

    def info(self, circuit):
        info = Info()
        self.circuit_info(circuit, byref(info))
        return info

    def send(self, circuit, host, port, payload):
        """0 or the negative result."""
        return self.lib.peel_tunnel_data(self.handle, circuit, byref(Address.of(host, port)), DATA, payload,
                                         len(payload))

    def join_service(self, service, hops, seed, find, on_peer, on_gone):
        """on_peer((host, port)), on_gone((host, port))."""
        options = ServiceOptions()
        self.lib.peel_service_options_init(byref(options))
        options.hops, options.seed, options.find = hops, seed, find
        calls = [ON_PEER(lambda _arg, _peel, peer, call=call: call(peer.contents.pair())) for call in (on_peer, on_gone)]
        self._kept["service", service] = calls
        check(self.lib.peel_join_service(self.handle, service, byref(options), *calls, None))

    def service_info(self, service):
        info = ServiceInfo()
        check(self.lib.peel_service_info(self.handle, service, byref(info)))
        return info

    def status(self):
        """JSON text."""
        text = self.lib.peel_status(self.handle)
        try:
            return ctypes.string_at(text).decode()
        finally:
            _libc.free(text)

    def _done(self, kind, callback):
        """A C function that calls `callback`. All are kept: one must not go away while the library is in it."""
        function = kind(lambda _arg, *args: callback(*args))
        self._kept[len(self._kept)] = function
        return function

    def test_circuit(self, circuit, rust, request_size, response_size, callback):
        """callback(result, microseconds, bytes)."""
        test = Test(rust, request_size, response_size)
        check(self.lib.peel_test_circuit(self.handle, circuit, byref(test), self._done(TEST_DONE, callback), None))

    def http_request(self, circuit, host, port, request, callback):
        """callback(result, answer)."""
        def done(result, answer, size):
            callback(result, ctypes.string_at(answer, size) if answer else b"")
        check(self.lib.peel_http_request(self.handle, circuit, byref(Address.of(host, port)), request, len(request),
                                         self._done(HTTP_DONE, done), None))
