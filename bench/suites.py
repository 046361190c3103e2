# SPDX-License-Identifier: BSD-3-Clause
"""The suites: what runs, and what is drawn. The list is the order of `bench/run` without names.

A suite's program is called with --json FILE, and with --quick when wanted; it writes {"results":[...]} of its suite (see
results.py and bench.h), says on standard error what it is doing, and exits with 77 when this machine cannot run it, the
last line being the reason.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Plot:
    name: str  # of the file, behind the suite's
    title: str
    x: str  # a parameter: numbers for lines, anything for bars
    lines: tuple = ()  # parameters that tell the lines apart
    cases: tuple = ()  # only these
    where: dict = dataclasses.field(default_factory=dict)  # only results with these parameters
    bars: bool = False
    log_x: bool = False
    log_y: bool = False


@dataclasses.dataclass(frozen=True)
class Suite:
    about: str
    command: tuple  # {build}, {root} and {python} (with the peers installed) are filled in
    plots: tuple = ()
    brief: dict = dataclasses.field(default_factory=dict)  # in the table at the end: only these values of a parameter
    seconds: int = 1800  # at most
    quick_seconds: int = 240
    engine: bool = False  # takes --engine


SUITES = {
    "aead": Suite(
        "cycles per cell of every AEAD engine: seal and open, by length and burst, with hot and cold keys",
        ("{build}/bench/bench_aead",),
        (Plot("length", "AEAD by length, burst 32", "bytes", ("engine", "keys"), where={"burst": 32}, log_x=True, log_y=True),
         Plot("burst", "AEAD by burst, 1400 bytes", "burst", ("engine", "keys"), where={"bytes": 1400}, log_x=True),
         Plot("burst-small", "AEAD by burst, 64 bytes", "burst", ("engine", "keys"), where={"bytes": 64}, log_x=True)),
        brief={"burst": (1, 32), "bytes": (64, 1400, "mix")}),
    "route": Suite(
        "cycles per look-up and update of the switching table, by its size; bytes per circuit",
        ("{build}/bench/bench_route",),
        (Plot("look-up", "Switching table: look-up", "entries", log_x=True,
              cases=("look-up", "look-up and use", "miss", "look-up by id alone")),
         Plot("update", "Switching table: update", "entries", log_x=True,
              cases=("replace", "look up, retire and publish")))),
    "relay": Suite(
        "cycles a cell costs a worker beside its AEAD alone, by direction, size and number of circuits; one and two workers",
        ("{build}/bench/bench_relay",),
        tuple(Plot(f"forward-{size}", f"Worker, forward, {size} bytes: cycles per cell", "circuits", ("what",),
                   cases=("forward",), where={"engine": "avx512", "filter": "yes", "workers": 1, "bytes": size}, log_x=True)
              for size in ("64", "1400")),
        brief={"bytes": ("64", "1400", 64, 1400), "engine": ("avx512", "avx2")}, engine=True),
    "bandwidth": Suite(
        "what limits of bandwidth cost a cell, and how they share what there is",
        ("{build}/bench/bench_bandwidth",)),
    "latency": Suite(
        "what a worker adds to a cell's way, at 10, 50 and 90 % of what it can do",
        ("{build}/bench/bench_latency",),
        (Plot("load", "Worker: added latency", "load_percent", ("bytes", "what"), cases=("forward",), log_y=True),)),
    "overload": Suite(
        "what a worker still does when up to ten times too much arrives; pings and creates among it",
        ("{build}/bench/bench_overload",)),
    "services": Suite(
        "a node that switches cells while it introduces a thousand hidden services: rate, control latency, memory",
        ("{build}/bench/bench_services",)),
    "setup": Suite(
        "circuits joined, extended and destroyed per second, by control threads",
        ("{build}/bench/bench_setup",),
        (Plot("threads", "Joining circuits, by control threads", "threads", ("lanes",), cases=("create",)),)),
    "x25519": Suite(
        "cycles per multiplication of X25519, side by side and by libsodium, by how many there are",
        ("{build}/bench/bench_x25519",),
        (Plot("join", "X25519 for joins: cycles per multiplication", "together", ("lanes",), cases=("join",)),)),
    "io": Suite(
        "CPU time per datagram of every port driver: receive and send back, no crypto",
        ("{build}/bench/bench_io",),
        (Plot("cost", "Ports: CPU time per datagram, received and sent", "bytes", ("driver", "datagrams"), cases=("cost",),
              bars=True, log_y=True),)),
    "peers": Suite(
        "what a CPU second of Peel, py-ipv8, the Rust endpoint, py-ipv8 over Peel, Tor and wireguard-go is worth, same run",
        ("{python}", "-B", "{root}/bench/peers.py", "--peel", "{build}/app/peel/peel", "--blast", "{build}/bench/blast",
         "--bench-relay", "{build}/bench/bench_relay", "--endpoint", "{build}/app/ipv8"),
        (Plot("coalesced", "Relays: cells per CPU second, datagrams coalesced", "payload", ("relay",),
              cases=("relay",), where={"datagrams": "coalesced"}, bars=True, log_y=True),
         Plot("alone", "Relays: cells per CPU second, datagrams alone", "payload", ("relay",), cases=("relay",),
              where={"datagrams": "alone"}, bars=True, log_y=True),
         Plot("exit", "Exits: cells per CPU second, datagrams coalesced", "payload", ("relay",), cases=("exit",),
              where={"datagrams": "coalesced"}, bars=True, log_y=True)),
        brief={"relay": ("Peel", "py-ipv8 over Peel", "Tor middle relay", "wireguard-go")}, engine=True),
    "watched": Suite(
        "what a CPU second of a relay is worth while its metrics and its status are asked for, and while it is reloaded",
        ("{python}", "-B", "{root}/bench/watched.py", "--peel", "{build}/app/peel/peel", "--blast", "{build}/bench/blast"),
        brief={"payload": (1400,)}),
    "circuit": Suite(
        "payload through one circuit of three hops and twenty: libpeel beside py-ipv8 with the Rust endpoint and over Peel",
        ("{python}", "-B", "{root}/bench/circuit.py", "--peel", "{build}/app/peel/peel",
         "--load", "{build}/bench/circuit/circuit_load", "--endpoint", "{build}/app/ipv8"),
        (Plot("payload", "Circuits of three hops: payload delivered, 1300 bytes", "path", ("circuits",),
              cases=("payload, there",), where={"payload": 1300}, bars=True, log_y=True),
         Plot("echo", "Circuits of three hops: payload there and back, 1300 bytes", "path", ("circuits",),
              cases=("payload, there and back",), where={"payload": 1300}, bars=True, log_y=True),
         Plot("cpu", "One circuit of three hops: CPU time, 1300 bytes", "path", ("of",), cases=("CPU time, there",),
              where={"payload": 1300, "circuits": 1}, bars=True, log_y=True)),
        brief={"payload": (1300,), "of": ("client", "relays")}),
    "hidden": Suite(
        "payload between the ends of hidden services, and the time until the first byte: libpeel beside py-ipv8 with Rust",
        ("{python}", "-B", "{root}/bench/hidden.py", "--peel", "{build}/app/peel/peel",
         "--load", "{build}/bench/circuit/circuit_load"),
        brief={"payload": (1300,), "of": ("client", "relays")}, seconds=5400, quick_seconds=400),
}
