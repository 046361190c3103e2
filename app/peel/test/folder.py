# SPDX-License-Identifier: BSD-3-Clause
"""What tests of the program share: a folder of their own, processes that end with the test, and patience."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77  # what meson and automake take for that


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def main():
    """For modules that are skipped as a whole where a program is missing: then the exit code says so."""
    result = unittest.main(verbosity=2, exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    if result.testsRun == len(result.skipped):
        sys.exit(SKIPPED)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="peel-test-", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spawn(self, *command, **options):
        """A process that ends with the test; its standard output is read here."""
        process = subprocess.Popen(command, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **options})
        for end in (process.stdout.close, process.stderr and process.stderr.close, process.wait, process.kill):
            if end:
                self.addCleanup(end)
        return process

    def story(self):
        """What is shown when something did not happen."""
        return ""

    def until(self, condition, seconds=60, story=None):
        """Its value, once it is true."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            self.assertLess(time.monotonic(), end, (story or self.story)())
            time.sleep(0.1)
        return value
