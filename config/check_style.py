#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Conventions that no compiler checks: licence lines, sizes, includes, and calls that the hot path must not make."""

import pathlib
import re
import subprocess
import sys

MAX_FILE = 700
MAX_FUNCTION = 100
HOT = ("lib/datapath/", "lib/wire/", "lib/policy/", "drivers/aead/")
# What may wait, allocate or print has no place where cells pass. Start-up code of a hot folder is listed by file.
FORBIDDEN = re.compile(r"\b(malloc|calloc|realloc|printf|fprintf|peel_log|pthread_mutex_lock|usleep|clock_gettime|time)\(")
ALLOWED = {"lib/datapath/worker.c": {"free"}, "lib/policy/addr_set.c": {"calloc"},
           "drivers/aead/ipsec_mb/ipsec_mb.c": {"calloc", "malloc"},
           "drivers/aead/sodium/sodium.c": {"calloc", "malloc"}}
# The wall clock jumps: it is for people, where lines of the log get their time.
WALL_CLOCK = re.compile(r"\bCLOCK_REALTIME\b|\b(gettimeofday|time|ftime|sem_timedwait|pthread_cond_timedwait)\(")
WALL_CLOCK_ALLOWED = "app/peel/log.c"
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


def check(path):
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if SPDX not in "\n".join(lines[:3]):
        yield 1, f"no '{SPDX}' in the first lines"
    if path.suffix not in (".c", ".h"):
        return
    is_test = "/test/" in str(path) or "/fuzz/" in str(path)
    if len(lines) > MAX_FILE and not is_test:
        yield MAX_FILE, f"file longer than {MAX_FILE} lines: split it by purpose"
    for start, length in functions(lines):
        if length > MAX_FUNCTION:
            yield start, f"function of {length} lines: at most {MAX_FUNCTION}"
    for number, line in enumerate(lines, 1):
        if re.match(r'#include ".*\.\./', line):
            yield number, "include by relative path: name the library in meson's deps instead"
        # The installed header has a guard: `c++ -pedantic peel.h` must not complain, and may be there twice.
        if path.suffix == ".h" and number == len(lines) and not re.search(r"#pragma once|#ifndef PEEL_H\n", text):
            yield 1, "header without #pragma once"
        if not is_test and str(path) != WALL_CLOCK_ALLOWED and WALL_CLOCK.search(line.split("/*")[0]):
            yield number, "the wall clock jumps: use peel_now_ms() or CLOCK_MONOTONIC"
        if str(path).startswith(HOT) and not is_test:
            found = FORBIDDEN.search(line.split("/*")[0])
            if found and found.group(1) not in ALLOWED.get(str(path), ()):
                yield number, f"{found.group(1)}() in a hot-path folder"


def main():
    bad = 0
    for path in tracked("*.c", "*.h", "*.py", "meson.build", "*/meson.build"):
        if not path.exists() or path.name == "__init__.py":
            continue
        for number, what in check(path):
            print(f"{path}:{number}: {what}")
            bad += 1
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
