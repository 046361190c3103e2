# SPDX-License-Identifier: BSD-3-Clause
"""Play attacks and bad days against a real node: python -m hostile [--build DIRECTORY] [-k TEXT]

Every module beside this one is a subject with its cases; a case takes the build directory, fails with an exception and
may return a note. Cases run one after the other, as each measures what is left of a node's service under a load.
"""

import argparse
import importlib
import os
import pkgutil
import sys

from interop.runner import Runner
from interop.supervise import supervised


def subjects():
    """(name of the module, its cases), by name."""
    here = os.path.dirname(__file__)
    for name in sorted(module.name for module in pkgutil.iter_modules([here])):
        if not name.startswith("_"):
            yield name, getattr(importlib.import_module(f"{__package__}.{name}"), "CASES", [])


async def run(options):
    runner = Runner(options.k)
    for subject, cases in subjects():
        for name, function in cases:
            await runner.case(f"{subject}: {name}", function, options.build, timeout=300.0)
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="hostile")
    parser.add_argument("--build", default="build", help="where peel was compiled")
    parser.add_argument("-k", default="", help="only cases whose name contains this text")
    options = parser.parse_args()
    sys.exit(supervised("hostile", lambda: run(options)))


if __name__ == "__main__":
    main()
