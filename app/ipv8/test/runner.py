# SPDX-License-Identifier: BSD-3-Clause
"""unittest with a last line that sums up, and with the one endpoint that is meant, or it does not begin:

    PEEL_IPV8=1 python runner.py test_life test_calls

With --rust it is the endpoint that Peel replaces; with --opens it is a failure if the tests open none at all.
"""

import argparse
import collections
import faulthandler
import logging
import sys
import unittest

from ipv8_rust_tunnels import _rust
from ipv8_rust_tunnels.endpoint import Endpoint

LIMIT = 120  # seconds; what hangs says where, and ends the run
PEEL, RUST = "peel_ipv8._peel", "builtins"


class Result(unittest.TextTestResult):
    def startTest(self, test):
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()


class Census:
    """Which endpoints the tests open, and how much goes through them: a test may also do without."""

    def __init__(self):
        self.opened = collections.Counter()
        self.datagrams = 0
        self.open, self.close = Endpoint.open, Endpoint.close

    def begin(self):
        def opens(endpoint):
            self.opened[type(endpoint.rust_ep).__module__] += 1
            return self.open(endpoint)

        async def closes(endpoint, *args):
            if endpoint.is_open():
                up, _, down, _ = endpoint.rust_ep.get_socket_statistics()
                self.datagrams += up + down
            return await self.close(endpoint, *args)

        Endpoint.open, Endpoint.close = opens, closes

    def __str__(self):
        return f"endpoints opened: {self.opened.total()} of {', '.join(self.opened)}; datagrams: {self.datagrams}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", action="store_true")
    parser.add_argument("--opens", action="store_true")
    parser.add_argument("test", nargs="+")
    args = parser.parse_args()
    meant = RUST if args.rust else PEEL
    if _rust._Endpoint.__module__ != meant:
        sys.exit(f"the endpoint is {_rust._Endpoint}: install the wheel, and set PEEL_IPV8=1 if the tests are of Peel")
    logging.disable(logging.ERROR)  # py-ipv8's, for nearly each bad packet
    census = Census()
    census.begin()
    suite = unittest.defaultTestLoader.loadTestsFromNames(args.test)
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    if census.opened:
        print(census)
    if set(census.opened) - {meant} or args.opens and not census.opened:
        sys.exit(f"these tests are of endpoints of {meant}")
    # Of a test with several parts each that fails is listed.
    failed = len({getattr(test, "test_case", test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
