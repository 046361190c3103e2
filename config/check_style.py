#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Conventions that no compiler checks: licence lines, sizes, names, includes, and calls that the hot path must not make."""

import pathlib
import re
import subprocess
import sys

MAX_FILE = 700
MAX_FUNCTION = 100
MAX_PAGE_COLUMN = 120
# Where cells pass: folders, and the files of a port that a packet sees on its way.
HOT = ("lib/datapath/", "lib/policy/", "lib/rcu/", "lib/route/", "lib/wire/", "drivers/aead/",
       *(f"drivers/port/ethdev/{name}.c"
         for name in ("arp", "endpoint", "ethdev_frame", "ethdev_rx", "ethdev_tx", "ethdev_udp", "frag",
                      "frag_tx", "icmp", "ip", "ip4", "ip6", "nd", "neigh")),
       *(f"drivers/port/socket/{name}.c" for name in ("socket_rx", "socket_tx")))
# What allocates, locks, asks the kernel, prints or waits.
FORBIDDEN = re.compile(r"(?<![.>])\b("
                       r"malloc|calloc|realloc|reallocarray|strdup|asprintf|aligned_alloc|posix_memalign|free|"
                       r"rte_z?malloc\w*|rte_calloc\w*|rte_free|mmap|munmap|"
                       r"pthread_\w+_(?:lock|wait|rdlock|wrlock)|rte_(?:spin|rw)lock_\w*lock|sem_wait|"
                       r"open|close|socket|connect|bind|ioctl|fcntl|[gs]etsockopt|read|write|poll|epoll_\w+|select|syscall|"
                       r"send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|getrandom|randombytes_\w+|"
                       r"printf|fprintf|dprintf|snprintf|puts|perror|syslog|peel_log|rte_log|RTE_LOG|"
                       r"sleep|usleep|nanosleep|sched_yield|rte_delay_\w+|clock_gettime|time)\(")
# Functions of these files that may do so: making and freeing of tables; what is said beside them.
ALLOWED = {
    # At start.
    "drivers/aead/engines/engines.c": ("now_ns", "choose"),
    "drivers/aead/ipsec_mb/ipsec_mb.c": ("make", "ipsec_mb_free"),
    "drivers/aead/sodium/sodium.c": ("sodium_new", "sodium_free_cx"),
    "drivers/port/ethdev/endpoint.c": ("release", "ethdev_endpoints_new"),
    "drivers/port/ethdev/frag.c": ("ethdev_frag_init", "ethdev_frag_fini"),
    # Look-ups take no lock; a neighbour nobody spoke of yet, and what neighbours say of themselves, does.
    "drivers/port/ethdev/neigh.c": ("neigh_get", "neigh_learn", "neigh_confirm"),
    # One call of the kernel for a burst of datagrams.
    "drivers/port/socket/socket_rx.c": ("receive_flat", "receive_narrow", "receive_exits"),
    "drivers/port/socket/socket_tx.c": ("send_plain", "send_messages"),
    "lib/datapath/listen.c": ("peel_listen_new", "peel_listen_free"),
    "lib/datapath/worker.c": ("peel_worker_new", "peel_worker_free"),
    "lib/policy/circuit_limits.c": ("peel_circuit_limits_new", "peel_circuit_limits_free"),
    "lib/policy/rules.c": ("compile", "peel_rules_new", "family_free", "peel_rules_free"),
    "lib/policy/addr_set.c": ("peel_addr_set_new", "peel_addr_set_free"),
    # Its queue of what is to be freed belongs to the control thread.
    "lib/rcu/rcu.c": ("peel_rcu_new", "peel_rcu_free", "resize"),
    "lib/route/table_memory.c": ("alloc_eal", "map_aligned", "alloc_heap", "memory_free"),
    # Retiring is the control thread's, and says when it has no memory.
    "lib/route/path.c": ("peel_paths_new", "peel_paths_free", "peel_path_retire"),
    "lib/route/replay.c": ("peel_replay_new", "peel_replay_free"),
    "lib/route/table.c": ("peel_route_table_new", "destroy", "defer"),
}
# The wall clock jumps: it is for people, where lines of the log get their time, and for other nodes, where the
# protocol, or what py-ipv8 and Prometheus expect of a status, has a time of day, and where jumps are looked for.
WALL_CLOCK = re.compile(r"\bCLOCK_REALTIME\b|\b(gettimeofday|time|ftime|sem_timedwait|pthread_cond_timedwait)\(")
WALL_CLOCK_ALLOWED = ("app/ipv8/extension/statistics_calls.c", "app/peel/cmd/cmd_doctor.c", "app/peel/log/log_output.c",
                      "app/peel/metrics/process_figures.c", "drivers/dht/ipv8/dht_ipv8.c", "lib/node/node_accounting.c",
                      "lib/peel/guest_speedtest.c")
# In headers: what is no declaration, and the name of what is one.
COMMENT = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.DOTALL | re.MULTILINE)
NOT_A_NAME = re.compile(r"__attribute__|_Static_assert|_Alignas|PEEL_[A-Z_]+")
SPDX = "SPDX-License-Identifier: BSD-3-Clause"


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", *patterns], check=True, capture_output=True).stdout
    return [pathlib.Path(p) for p in out.decode().split("\0") if p]


def functions(lines):
    """(first line, length) of every function body: our format opens and closes them in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1
            start = None


def hot_path(path, lines):
    """Calls that have no place in a hot file, and allowances that nobody needs any more."""
    allowed = ALLOWED.get(path, ())
    unused = set(allowed)
    function = None
    for number, line in enumerate(lines, 1):
        # Our format puts the name of a function into column 0.
        if name := re.match(r"(\w+)\(", line):
            function = name.group(1)
        elif line.startswith("}"):
            function = None
        found = FORBIDDEN.search(line.split("/*")[0])
        if found and function in allowed:
            unused.discard(function)
        elif found:
            yield number, f"{found.group(1)}() where cells pass"
    for function in sorted(unused):
        yield 1, f"{function}() needs no allowance in config/check_style.py"


def declared(text):
    """(line, name) of the functions that a header declares or defines."""
    text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    depth = 0
    found = False
    for token in re.finditer(r"\b(\w+)\(|[(){};]", text):
        if token.group(1) and depth == 0 and not found and not NOT_A_NAME.fullmatch(token.group(1)):
            yield text.count("\n", 0, token.start()) + 1, token.group(1)
            found = True
        if token.group().endswith(("(", "{")):
            depth += 1
        elif token.group() in (")", "}"):
            depth -= 1
        if depth == 0 and token.group() in ("}", ";"):
            found = False


def name_rule(path, text):
    """What a public header declares begins with peel_; what files of one library share does not."""
    public = path.name.startswith("peel_") or path.name == "peel.h"
    for number, name in declared(text):
        if public and not name.startswith("peel_"):
            yield number, f"{name}() in a public header: begin with peel_"
        elif not public and name.startswith("peel_"):
            yield number, f"{name}() in a header of one library: leave the peel_ out"


def same_names(paths):
    """Base names are unique, so that one is enough to name a file."""
    first = {}
    for path in paths:
        if path.suffix == ".c" and not {"test", "fuzz"} & set(path.parts):
            other = first.setdefault(path.name, path)
            if other != path:
                yield path, 1, f"there is a {other} already: take another name"


def check(path):
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if SPDX not in "\n".join(lines[:3]):
        yield 1, f"no '{SPDX}' in the first lines"
    if path.suffix not in (".c", ".h"):
        return
    is_test = "/test/" in str(path) or "/fuzz/" in str(path)
    if path.suffix == ".h" and not is_test:
        yield from name_rule(path, text)
    if len(lines) > MAX_FILE and not is_test:
        yield MAX_FILE, f"file longer than {MAX_FILE} lines: split it by purpose"
    for start, length in functions(lines):
        if length > MAX_FUNCTION:
            yield start, f"function of {length} lines: at most {MAX_FUNCTION}"
    for number, line in enumerate(lines, 1):
        if re.match(r'#include ".*\.\./', line):
            yield number, "include by relative path: name the library in meson's deps instead"
        # Installed headers have guards: `c++ -pedantic peel.h` must not complain, and may be there twice.
        if path.suffix == ".h" and number == len(lines) and not re.search(r"#pragma once|#ifndef PEEL_(GUEST_)?H\n", text):
            yield 1, "header without #pragma once"
        if not is_test and str(path) not in WALL_CLOCK_ALLOWED and WALL_CLOCK.search(line.split("/*")[0]):
            yield number, "the wall clock jumps: use peel_now_ms() or CLOCK_MONOTONIC"
    if str(path).startswith(HOT) and not is_test:
        yield from hot_path(str(path), lines)


def wide_lines(path):
    """Lines of a page that do not fit; a row of a table cannot be broken."""
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if len(line) > MAX_PAGE_COLUMN and not line.startswith("|"):
            yield path, number, f"{len(line)} columns: at most {MAX_PAGE_COLUMN}"


def main():
    paths = [p for p in tracked("*.c", "*.h", "*.py", "meson.build", "*/meson.build")
             if p.exists() and p.name != "__init__.py"]
    found = [(path, *what) for path in paths for what in check(path)] + list(same_names(paths))
    found += [what for page in tracked("*.md") for what in wide_lines(page)]
    for path, number, what in found:
        print(f"{path}:{number}: {what}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
