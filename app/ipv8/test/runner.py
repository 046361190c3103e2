# SPDX-License-Identifier: BSD-3-Clause
"""unittest with a last line that sums up, and with Peel in the place of the Rust endpoint, or it does not begin:

    PEEL_IPV8=1 python runner.py test_life test_calls
"""

import faulthandler
import logging
import sys
import unittest

from ipv8_rust_tunnels import _rust


LIMIT = 120  # seconds; what hangs says where, and ends the run


class Result(unittest.TextTestResult):
    def startTest(self, test):
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()


def main():
    if _rust._Endpoint.__module__ != "peel_ipv8._peel":
        sys.exit(f"these tests are of Peel, and the endpoint is {_rust._Endpoint}: install the wheel, set PEEL_IPV8=1")
    logging.disable(logging.ERROR)  # py-ipv8's, for nearly each bad packet
    suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    # Of a test with several parts each that fails is listed.
    failed = len({getattr(test, "test_case", test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
