# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages: no formatter complains, and what the program knows is in them. test_manual.py PROGRAM MAN1 MAN3 MAN5"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import program_help

SKIPPED = 77


def rendered(page):
    """As a terminal shows it, in lines as long as its paragraphs, without hyphenation."""
    env = {**os.environ, "MANWIDTH": "1000", "LC_ALL": "C.UTF-8",
           "MANOPT": "--no-hyphenation --no-justification"}
    run = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", str(page)], env=env, capture_output=True, text=True)
    assert run.returncode == 0 and not run.stderr, f"{page.name}: {run.stderr}"
    return re.sub(r".\x08", "", run.stdout)


def linted(page):
    run = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
    assert run.returncode == 0 and not run.stdout, run.stdout


def has(text, what, where):
    assert " ".join(what.replace("`", "").split()) in " ".join(text.split()), f"{where} does not have: {what}"


def main():
    program, *folders = sys.argv[1:]
    if not shutil.which("man") or not shutil.which("mandoc"):
        print("skipped: needs man and mandoc")
        sys.exit(SKIPPED)
    pages = {page.name: page for folder in map(pathlib.Path, folders) for page in folder.iterdir()}
    texts = {name: rendered(page) for name, page in pages.items()}
    for page in pages.values():
        linted(page)

    top, commands = program_help.read(program)
    assert len(commands) > 5, commands
    expected = {"peel.1", "libpeel.3", "peel.ini.5"} | {f"peel-{command.name}.1" for command in commands}
    assert set(pages) == expected, set(pages) ^ expected
    for command in commands:
        name = f"peel-{command.name}.1"
        has(texts["peel.1"], command.about, "peel.1")
        has(texts["peel.1"], f"peel-{command.name}(1)", "peel.1")
        # Everything that the help says, word for word.
        for line in command.usage:
            has(texts[name], line, name)
        for block in command.blocks:
            if isinstance(block, program_help.Section):
                for part in sum(block.items, ()):
                    has(texts[name], part, name)
            elif not block.startswith("exit codes:"):
                has(texts[name], block, name)
    _, sections = program_help.settings(program)
    settings = [row for rows in sections.values() for row in rows]
    assert len(settings) > 50, len(settings)
    for row in settings:
        for part in ", ".join(row.names), row.about, row.allowed:
            has(texts["peel.ini.5"], part, "peel.ini.5")
    print(f"{len(pages)} pages, {len(commands)} commands, {len(settings)} settings")


if __name__ == "__main__":
    main()
