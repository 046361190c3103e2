# SPDX-License-Identifier: BSD-3-Clause
"""Runs tests in a child and once more when it stands still.

Now and then, on busy machines, a Rust endpoint that lives in this process waits for the interpreter's lock while it holds a
lock of its own, and the interpreter waits for that one. Nothing written in Python runs any more then.
"""

import asyncio
import ctypes
import faulthandler
import os
import signal
import subprocess
import sys

CHILD = "INTEROP_CHILD"
STILL_SECONDS = 60
FAILED = 3  # exit code of a child whose tests failed; 1 is also faulthandler's


async def _alive(coroutine):
    """The coroutine, with a clock that ends the process when the event loop stands still."""
    def wind():
        faulthandler.dump_traceback_later(STILL_SECONDS, exit=True)

    async def keep_winding():
        while True:
            await asyncio.sleep(STILL_SECONDS / 10)
            wind()

    wind()
    clock = asyncio.ensure_future(keep_winding())
    try:
        return await coroutine
    finally:
        clock.cancel()
        faulthandler.cancel_dump_traceback_later()


PR_SET_CHILD_SUBREAPER = 36


def _end_orphans():
    """Whatever a child that died had started is ours now."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
        for pid in map(int, children.read().split()):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def supervised(module, coroutine_function):
    """Exit code of the tests: coroutine_function() gives 0 or 1."""
    if CHILD in os.environ:
        return FAILED if asyncio.run(_alive(coroutine_function())) else 0
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for attempt in range(2):
        code = subprocess.run([sys.executable, "-m", module, *sys.argv[1:]], env={**os.environ, CHILD: "1"},
                              check=False).returncode
        _end_orphans()
        if code in (0, FAILED):
            return min(code, 1)
        print(f"the tests stood still or died ({code})" + ("; once more" if attempt == 0 else ""), flush=True)
    return 1
