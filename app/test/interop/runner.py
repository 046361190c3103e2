# SPDX-License-Identifier: BSD-3-Clause
"""A tiny test runner: cases are coroutines, one line each, a summary at the end."""

import asyncio
import time
import traceback


class Skipped(Exception):
    """A case that cannot run here; the text says why. Neither passed nor failed."""


async def raises(error):
    """A case that fails as what came before it did."""
    raise error


async def live_for(seconds, lives):
    """Coroutines side by side, until the time is over; one that fails ends all, and is what fails here."""
    tasks = [asyncio.ensure_future(life) for life in lives]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Runner:
    def __init__(self, pattern="", quiet=False):
        self.pattern, self.quiet = pattern, quiet
        self.passed = self.failed = 0

    def wants(self, name):
        return self.pattern in name

    async def case(self, name, coroutine_function, *args, timeout=120.0):
        """Run one case; a failure is counted and shown, and does not stop the others."""
        if not self.wants(name):
            return
        start = time.monotonic()
        try:
            note = await asyncio.wait_for(coroutine_function(*args), timeout)
        except Skipped as reason:
            print(f"skip  {name}  ({reason})", flush=True)
            return
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f"FAIL  {name}  {time.monotonic() - start:.1f} s\n"
                  f"      {type(error).__name__}: {error} ({where.name}, line {where.lineno})", flush=True)
            return
        self.passed += 1
        if not self.quiet:
            note = f"  ({note})" if note else ""
            print(f"ok    {name}  {time.monotonic() - start:.1f} s{note}", flush=True)

    def summary(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0
