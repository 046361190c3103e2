# SPDX-License-Identifier: BSD-3-Clause
"""Play attacks and bad days against a real node: python -m hostile [--build DIRECTORY] [-k TEXT] [--jobs N]

Every module beside this one is a subject with its cases; a case takes the build directory, fails with an exception and
may return a note. Cases of a subject run one after the other, as each measures what is left of a node's service under a
load. They mostly wait, so several subjects run side by side, each in a process of its own; one that says ALONE = True
changes the machine, and runs when no other does.
"""

import argparse
import asyncio
import importlib
import os
import pkgutil
import sys

from interop.runner import Runner
from interop.supervise import supervised


def subjects():
    """Module of each subject, by name."""
    here = os.path.dirname(__file__)
    for name in sorted(module.name for module in pkgutil.iter_modules([here])):
        if not name.startswith("_"):
            yield name, importlib.import_module(f"{__package__}.{name}")


async def one_subject(subject, options):
    """All its cases, in this process."""
    runner = Runner(options.k)
    for name, function in dict(subjects())[subject].CASES:
        await runner.case(f"{subject}: {name}", function, options.build, timeout=300.0)
    return runner.summary()


async def in_process(subject, options):
    """(passed, failed) of a subject in a process of its own, whose lines are printed when it has ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hostile", "--build", options.build, "-k", options.k, "--subject", subject,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    lines = (await process.communicate())[0].decode(errors="replace").splitlines()
    try:
        passed, _, failed, _ = lines[-1].split()
        passed, failed = int(passed), int(failed)
    except (IndexError, ValueError):  # it ended before its summary
        lines.append("")
        passed, failed = 0, 1
    print(*lines[:-1], sep="\n", flush=True)
    return passed, failed


async def run(options):
    slots = asyncio.Semaphore(options.jobs)

    async def in_slot(subject):
        async with slots:
            return await in_process(subject, options)

    wanted = {name: module for name, module in subjects() if any(options.k in f"{name}: {case}" for case, _ in module.CASES)}
    alone = [name for name, module in wanted.items() if getattr(module, "ALONE", False)]
    results = [await in_process(name, options) for name in alone]
    results += await asyncio.gather(*[in_slot(name) for name in wanted if name not in alone])
    passed, failed = (sum(column) for column in zip((0, 0), *results))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(prog="hostile")
    parser.add_argument("--build", default="build", help="where peel was compiled")
    parser.add_argument("--jobs", type=int, default=5, help="subjects at a time")
    parser.add_argument("--subject", help="only this one, in this process")
    parser.add_argument("-k", default="", help="only cases whose name contains this text")
    options = parser.parse_args()
    if options.subject:
        sys.exit(supervised("hostile", lambda: one_subject(options.subject, options)))
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
