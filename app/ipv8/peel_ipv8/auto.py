# SPDX-License-Identifier: BSD-3-Clause
"""install() for programs that do not know of Peel: as soon as they import ipv8_rust_tunnels.

peel_ipv8.pth imports this at the start of every Python of the environment if PEEL_IPV8 is 1. It only leaves a note with the
import system.
"""

import os
import sys

TARGET = "ipv8_rust_tunnels._rust"


class Finder:
    """Finds the one module as everybody else would, and has it changed once it is loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != TARGET:
            return None
        sys.meta_path.remove(Finder)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = Loader(spec.loader)
                return spec
        return None


class Loader:
    """The module's own loader, and then ours."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        from . import replace

        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        replace(module)


if os.environ.get("PEEL_IPV8") == "1":
    if TARGET in sys.modules:
        from . import replace

        replace(sys.modules[TARGET])
    elif Finder not in sys.meta_path:
        sys.meta_path.insert(0, Finder)
