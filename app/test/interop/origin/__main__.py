# SPDX-License-Identifier: BSD-3-Clause
"""Run the tests of the originator: python -m interop.origin [--build build] [--world TEXT] [-k TEXT] [--quick]

PEEL_PRELOAD names a library that must be loaded before libpeel, such as that of a sanitizer.
"""

import argparse
import asyncio
import os
import sys

from ..runner import Runner
from . import clients, healing, install, likeness, meetings, networks, others, paths, services, settings


def worlds(options):
    """(name, coroutine function of a runner and options)."""
    if "PEEL_PRELOAD" not in os.environ:
        yield "installed", install.one_world
    yield "calls", settings.calls
    yield "likeness", likeness.one_world
    if not options.quick:
        yield "limits", settings.short
        yield "networks", networks.one_world
        yield "pool", settings.pooled
        yield "age", settings.aged
        yield "silence", settings.silent
        for place, kind in ((0, "peel"), (1, "python"), (2, "rust"), (2, "peel")):
            yield f"killed {kind} {place + 1}", healing.killing(place, kind)
        yield "leaving", healing.leaving
        yield "others", others.one_world
        yield "hundred", paths.hundred
        yield "services", services.one_world
        yield "clients", clients.one_world
        yield from meetings.worlds()
    for kind in ("mix", "peel", "python", "rust"):
        yield f"paths {kind}", lambda runner, options, kind=kind: paths.one_world(runner, kind, options)


async def run(options):
    runner = Runner(options.k)
    # Most of a world's time is waiting: several run side by side.
    slots = asyncio.Semaphore(options.jobs)

    async def in_slot(name, world):
        async with slots:
            try:
                await world(runner, options)
            except Exception as error:
                async def broken(error=error):
                    raise error
                await runner.case(f"{name}: world", broken)

    await asyncio.gather(*[in_slot(name, world) for name, world in worlds(options) if options.world in name])
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="interop.origin")
    parser.add_argument("--build", default="build", help="build directory with the peel binary and libpeel.so")
    parser.add_argument("--quick", action="store_true", help="a part of the tests, in about twenty seconds")
    parser.add_argument("--jobs", type=int, default=4, help="worlds at a time")
    parser.add_argument("--world", default="", help="only worlds whose name contains this text")
    parser.add_argument("-k", default="", help="only cases whose name contains this text")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.peel = f"{options.build}/app/peel/peel"
    os.environ["PEEL_LIBRARY"] = f"{options.build}/lib/peel/libpeel.so.0"
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
