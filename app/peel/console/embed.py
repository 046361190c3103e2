# SPDX-License-Identifier: BSD-3-Clause
"""The files of the console as C arrays: embed.py OUTPUT FILE..."""

import pathlib
import sys


def main():
    lines = ["/* made by embed.py */", '#include "console_files.h"', ""]
    table = []
    for path in map(pathlib.Path, sys.argv[2:]):
        data = path.read_bytes()
        name = path.name.replace(".", "_")
        lines.append(f"static const unsigned char {name}[] = {{{','.join(map(str, data))}}};")
        table.append(f'\t{{"{path.name}", {name}, sizeof({name})}},')
    lines += ["", "const struct console_file console_files[] = {", *table, "\t{0}};", ""]
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines), encoding="utf-8")


main()
