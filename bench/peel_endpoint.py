# SPDX-License-Identifier: BSD-3-Clause
"""py-ipv8 over Peel: nodes whose endpoint is the package of app/ipv8, from the build folder, or an installed one."""

import importlib.util
import os
import sys

KIND, NAME = "peel-endpoint", "py-ipv8 over Peel"
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build", "app", "ipv8")


def option(parser):
    parser.add_argument("--endpoint", metavar="FOLDER", default=FOLDER, help="that has the package peel_ipv8")


def find(folder):
    """From now on, nodes in processes of their own find the package. Returns why not, and what to do about it; or None."""
    sys.path.append(folder)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), folder)))
    try:
        if importlib.util.find_spec("peel_ipv8._peel"):
            return None
    except ModuleNotFoundError:
        pass
    return (f"peel_ipv8 is not built in {folder}: install Python's headers (app/setup/install does), "
            "then `meson setup --reconfigure build && ninja -C build peel_ipv8`")


def usable(kinds, kind_of, folder):
    """Those of a list that can run here; a line says why others cannot."""
    why = find(folder)
    left_out = [one for one in kinds if why and KIND in kind_of(one)]
    if left_out:
        print(f"skipped: {NAME}: {why}", file=sys.stderr, flush=True)
    return [one for one in kinds if one not in left_out]
