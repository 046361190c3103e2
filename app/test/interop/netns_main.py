# SPDX-License-Identifier: BSD-3-Clause
"""Run the scenarios in network namespaces: python -m interop.netns_main [--relay peel|python|rust]"""

import argparse
import asyncio
import signal
import sys

from . import netns_hidden, scenarios
from .netns_world import NetnsWorld
from .runner import Runner, raises


async def one_world(runner, name, kinds, device, binary):
    try:
        async with NetnsWorld(kinds, device, binary) as world:
            await runner.case(f"{name}: discovery", scenarios.discovery, world)
            circuits = []

            async def three():
                circuits.append(await world.origin.build(world.keys))

            await runner.case(f"{name}: circuit of three hops", three)
            if not circuits:
                return
            if len(set(kinds)) == 1:
                for hops in (1, 2):
                    await runner.case(f"{name}: hidden service of libpeel over {hops} hops", netns_hidden.libpeel,
                                      world, hops)
            # 1400 bytes over three hops are 1516 bytes of UDP: fragments on a link of MTU 1500.
            await runner.case(f"{name}: echo", scenarios.echo, world, circuits[0], 17)
            await runner.case(f"{name}: exit policy", scenarios.policy, world, circuits[0])
            await runner.case(f"{name}: speed test", scenarios.speed_test, world, circuits[0])
            await runner.case(f"{name}: destroy by originator", scenarios.destroy_by_originator, world,
                              circuits[0])
            await runner.case(f"{name}: destroy by relay", scenarios.destroy_by_relay, world, 1)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


async def two_workers(runner, relay, binary):
    name = "net_af_packet, peel with two workers"
    try:
        async with NetnsWorld([relay] * 3, "net_af_packet", binary, 2) as world:
            await runner.case(f"{name}: hidden services", netns_hidden.rendezvous, world, timeout=240.0)
    except Exception as error:
        await runner.case(f"{name}: world", raises, error)


async def run(options):
    # The namespaces go away also when the run is ended from outside.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)
    runner = Runner(options.k)
    relay = options.relay
    slots = asyncio.Semaphore(options.jobs)

    async def in_slot(world, *args):
        async with slots:
            await world(runner, *args, options.peel)

    worlds = []
    for device in options.devices.split(","):
        for place, kinds in (("first", [relay, "python", "rust"]), ("middle", ["rust", relay, "python"]),
                             ("last", ["python", "rust", relay]), ("alone", [relay] * 3)):
            name = f"{device}, {relay} {place}"
            if options.world in name:
                worlds.append(in_slot(one_world, name, kinds, device))
    if relay == "peel" and "net_af_packet" in options.devices and options.world in "peel with two workers":
        worlds.append(in_slot(two_workers, relay))
    await asyncio.gather(*worlds)
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="netns")
    parser.add_argument("--relay", default="peel", choices=("peel", "python", "rust"))
    parser.add_argument("--peel", default=None, help="the peel binary")
    parser.add_argument("--devices", default="net_af_packet,net_af_xdp")
    parser.add_argument("--jobs", type=int, default=3, help="worlds at a time")
    parser.add_argument("--world", default="", help="only worlds whose name contains this text")
    parser.add_argument("-k", default="", help="only cases whose name contains this text")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
