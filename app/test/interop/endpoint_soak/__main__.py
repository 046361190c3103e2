# SPDX-License-Identifier: BSD-3-Clause
"""Five py-ipv8 nodes with Peel as their endpoint and five with the stock one live together for an hour:

    python -m interop.endpoint_soak --build build [--minutes 60] [--stock] [--seed 1]

All are relays and exits; some are clients with SOCKS traffic and hidden services. Of each kind two stay, and three come and
go, in order or killed. A stranger sends each of them hostile datagrams all the time. Clients whose endpoint is Peel must not
lose more than those with the stock one, and nodes that stay must not grow. With --stock all ten have the stock endpoint, which
tells what it loses among its own. Three minutes show that it works; what grows is judged from ten minutes on.
"""

import argparse
import asyncio
import importlib.util
import os
import sys

from ..runner import Runner
from .population import Population
from .verdict import Verdict


async def run(options):
    runner = Runner()
    async with Population(options) as population:
        await runner.case("ten nodes meet", population.settle, timeout=120)
        await runner.case("their lives", population.live, timeout=options.minutes * 60 + 300)
    verdict = Verdict(population, options)
    for name, check in verdict.checks():
        await runner.case(name, check)
    verdict.write()
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="interop.endpoint_soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build directory with the package peel_ipv8, unless it is installed")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--stock", action="store_true", help="all ten nodes have the stock endpoint")
    parser.add_argument("--seed", type=int, default=1, help="of who comes and goes when")
    parser.add_argument("--hostile", type=int, default=100_000, help="datagrams for each node within an hour")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    if importlib.util.find_spec("peel_ipv8") is None:
        paths = [f"{options.build}/app/ipv8", *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    sys.exit(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
