# SPDX-License-Identifier: BSD-3-Clause
"""The share of lines that ran, from gcovr's JSON, and the functions that did not: coverage_report.py FILE"""

import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        files = json.load(file)["files"]
    lines = [line for entry in files for line in entry["lines"] if not line.get("gcovr/noncode")]
    functions = {(entry["file"], f["lineno"]): f for entry in files for f in entry["functions"]}
    idle = sorted((path, line, f["name"]) for (path, line), f in functions.items() if f["execution_count"] == 0)
    for path, line, name in idle:
        print(f"{path}:{line}: {name}() is not entered")
    ran = sum(line["count"] > 0 for line in lines)
    print(f"coverage: {100 * ran / len(lines):.1f} % of {len(lines)} lines, "
          f"{len(functions) - len(idle)} of {len(functions)} functions")


if __name__ == "__main__":
    main()
