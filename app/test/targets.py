# SPDX-License-Identifier: BSD-3-Clause
"""Programs of a meson build whose first source lies in a folder of the given name: targets.py BUILD FOLDER

Prints "program source" per line.
"""

import json
import os
import sys


def main():
    build, folder = sys.argv[1:]
    with open(os.path.join(build, "meson-info", "intro-targets.json"), encoding="utf-8") as file:
        targets = json.load(file)
    for target in targets:
        sources = [path for group in target["target_sources"] for path in group.get("sources", [])]
        if target["type"] == "executable" and sources and folder in sources[0].split(os.sep):
            print(target["filename"][0], sources[0])


main()
