# SPDX-License-Identifier: BSD-3-Clause
"""What is installed was built so that faults are hard to use. Usage: test_hardening.py BUILD SANITIZED(0|1)"""

import os
import platform
import re
import subprocess
import sys
import tempfile
import unittest

BUILD, SANITIZED = sys.argv[1], sys.argv[2] == "1"


def run(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=True).stdout


def installed(folder):
    """ELF files, links left out."""
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="peel-hardening-")
        cls.addClassCleanup(cls.folder.cleanup)
        run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.folder.name)
        cls.files = {os.path.basename(path): path for path in installed(cls.folder.name)}

    def each(self):
        self.assertIn("peel", self.files)
        for name, path in self.files.items():
            with self.subTest(name):
                yield path

    def test_addresses_are_bound_at_the_start_and_read_only_then(self):
        for path in self.each():
            self.assertIn("BIND_NOW", run("readelf", "-dW", path))
            self.assertIn("GNU_RELRO", run("readelf", "-lW", path))

    def test_nothing_is_writable_and_executable(self):
        for path in self.each():
            self.assertNotRegex(run("readelf", "-lW", path), r"(?m)^  (LOAD|GNU_STACK).* RWE ")
            self.assertNotIn("TEXTREL", run("readelf", "-dW", path))

    def test_position_independent(self):
        for path in self.each():
            self.assertRegex(run("readelf", "-hW", path), r"Type: +DYN ")

    def test_canaries_and_checked_copies(self):
        for path in self.each():
            symbols = run("nm", "-D", "--undefined-only", path)
            self.assertIn("__stack_chk_fail", symbols)
            if not SANITIZED:
                self.assertRegex(symbols, "__(memcpy|snprintf)_chk")

    @unittest.skipUnless(platform.machine() == "x86_64", "the CPU has no such thing")
    def test_control_flow(self):
        for path in self.each():
            self.assertIn("SHSTK", run("readelf", "-nW", path))
            name = ("peel_open" if "libpeel" in path else "mainline_announce" if "mainline" in path else "main")
            code = run("objdump", "-d", "--no-show-raw-insn", f"--disassemble={name}", path)
            self.assertRegex(code, re.compile(rf"<{name}[^>]*>:\n[^\n]*\tendbr64"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
