#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The manual pages, from what the program says about itself and from peel.h: manual.py PROGRAM PEEL_H MAN1 MAN3 MAN5"""

import os
import pathlib
import re
import shutil
import sys
import time

import program_help

SUMMARY = "onion relay and client for the IPv8 tunnel overlay"
DATE = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
TITLES = {"exit codes": "exit status", "first steps": "examples"}


def escape(text):
    """Text that troff prints as it is."""
    text = text.replace("\\", r"\(rs").replace("-", r"\-").replace("'", r"\(aq").replace("^", r"\(ha").replace("~", r"\(ti")
    return re.sub(r"^\.", r"\\&.", text)


def bold(text):
    return rf"\fB{escape(text)}\fR"


def prose(text):
    """Words in `quotes` become bold; every sentence begins a line, as troff wants it."""
    parts = text.split("`")
    text = "".join(bold(part) if i % 2 else escape(part) for i, part in enumerate(parts))
    return re.sub(r"(?<=[a-z)\]R][.?!]) (?=[A-Z\\])", "\n", text)


def terms(text):
    """Options are bold, what the user puts in is italic."""
    def one(match):
        word = match.group()
        return rf"\fI{escape(word)}\fR" if re.fullmatch(r"[A-Z][A-Z0-9_]*(?::[A-Z]+)?", word) else bold(word)
    return re.sub(r"[\w:-]+", one, text)


def page(name, section, about, *body):
    title = name.upper()
    lines = [r'.\" Made by config/manual; changes belong into the program.',
             f'.TH "{title}" "{section}" "{DATE}" "Peel" "Peel manual"',
             ".SH NAME", rf"{escape(name)} \- {escape(about)}", *body, ""]
    return "\n".join(lines)


def heading(text):
    return f'.SH "{text.upper()}"'


def synopsis(lines):
    yield ".SH SYNOPSIS"
    for i, line in enumerate(lines):
        yield from ([".br"] if i else [])
        yield f"{bold('peel')} {terms(line)}"


def described(help_text):
    """DESCRIPTION and what follows it in the help."""
    yield ".SH DESCRIPTION"
    before = ""  # what comes before a paragraph: it goes on in the description, but not below some options
    for block in help_text.blocks:
        if isinstance(block, program_help.Section):
            yield heading(TITLES.get(block.title, block.title))
            for term, text in block.items:
                yield from (".TP", bold(term) if term.startswith("peel ") else terms(term), prose(text))
            before = heading("notes")
        elif match := re.match(r"(exit codes): (.*)", block):
            yield from (heading(TITLES[match[1]]), *exit_codes(match[2]))
        else:
            yield from filter(None, (before, prose(block)))
            before = ".PP"


def exit_codes(text):
    for code, meaning in re.findall(r"(\d) (.*?)(?:, (?=\d )|$)", text):
        yield from (".TP", bold(code), prose(meaning))


def see_also(*pages):
    names = [rf"\fB{escape(name)}\fR({section})" for name, section in pages]
    return [".SH SEE ALSO", *[f"{name}," for name in names[:-1]], names[-1]]


def main_page(top, commands):
    return page("peel", 1, SUMMARY, *synopsis(["COMMAND [OPTION]..."]), *described(top), ".SH FILES",
                ".TP", r"\fI/etc/peel/relay.ini\fR", "The configuration of a relay.",
                ".TP", r"\fI/etc/peel/client.ini\fR", "The configuration of a client.",
                ".TP", r"\fI/etc/peel/key\fR", "The private key of a relay.",
                ".TP", r"\fI/run/peel/peel.sock\fR", "The management socket of a relay.",
                *see_also(*[(f"peel-{command.name}", 1) for command in commands], ("libpeel", 3), ("peel.ini", 5)))


def command_page(command, commands):
    others = {other.name for other in commands if re.search(rf"`peel {other.name}\b", " ".join(
        block if isinstance(block, str) else " ".join(text for _, text in block.items) for block in command.blocks))}
    others.discard(command.name)
    return page(f"peel-{command.name}", 1, command.about, *synopsis(command.usage), *described(command),
                *see_also(("peel", 1), *[(f"peel-{name}", 1) for name in sorted(others)], ("peel.ini", 5)))


def value_text(row):
    """Where a setting that has no value stands, and what it is in the samples."""
    each = [{use: row.values.get((name, use)) for use in ("relay", "client")} for name in row.names]
    differ = any(values != each[0] for values in each)
    for name in row.names if differ else row.names[:1]:
        values = {use: row.values[name, use] for use in ("relay", "client") if (name, use) in row.values}
        which = f" of `{name}`" if differ else ""
        told = {use: (("In the sample" if is_set else "Default") + which + ": ", f"`{value}`" if value else "empty")
                for use, (value, is_set) in values.items()}
        if len(set(told.values())) == 1:
            yield "".join(next(iter(told.values()))) + "."
        else:
            yield " ".join(f"{label}{value} ({use})." for use, (label, value) in told.items())


def settings_page(program):
    intro, sections = program_help.settings(program)
    body = [".SH SYNOPSIS", r"\fIrelay.ini\fR, \fIclient.ini\fR", ".SH DESCRIPTION",
            prose("The configuration of `peel relay` and `peel client`. Both read the same settings. `peel relay "
                  "--sample` and `peel client --sample` print them as files with comments."),
            ".PP", prose(intro[-1]), heading("settings")]
    for name, rows in sections.items():
        uses = {use for row in rows for _, use in row.values}
        body += [f'.SS "[{name}]"']
        if uses == {"client"}:
            body += ["This section is for clients only."]
        for row in rows:
            body += [".TP", ", ".join(bold(each) for each in row.names)]
            body += [prose(row.about)]
            if row.allowed:
                body += [".br", prose(f"Allowed: {row.allowed}.")]
            for text in value_text(row):
                body += [".br", prose(text)]
            if row.reload:
                body += [".br", prose("Changes while the node runs: `peel reload`.")]
    return page("peel.ini", 5, "configuration of peel relay and peel client", *body,
                *see_also(("peel", 1), ("peel-client", 1), ("peel-relay", 1), ("peel-reload", 1)))


def strip_comment(text):
    return re.sub(r"^\s*\*? ?", "", text, flags=re.MULTILINE).strip("\n")


def library_page(header):
    text = header.read_text(encoding="utf-8")
    about = strip_comment(re.search(r"@file(.*?)\*/", text, re.DOTALL)[1])
    example = re.search(r"@code\n(.*?)@endcode", about, re.DOTALL)[1]
    paragraphs = [" ".join(part.split()) for part in about[about.index("@endcode") + 8:].strip().split("\n\n")]
    body = [".SH SYNOPSIS", ".nf", r"\fB#include <peel.h>\fR", "",
            r"\fBcc\fR \fIprogram.c\fR \fB$(pkg\-config \-\-cflags \-\-libs peel)\fR", ".fi",
            ".SH DESCRIPTION"]
    for i, paragraph in enumerate(paragraphs):
        body += ([".PP"] if i else []) + [prose(paragraph)]
    body += [".SH FUNCTIONS",
             prose("The header describes each of them in full: parameters, errors, and which thread may call it.")]
    for part in re.finditer(r"^/\* ---- (.*?) -+ \*/|/\*\*((?:(?!\*/).)*)\*/\s*PEEL_API ([^;]*);", text,
                            re.DOTALL | re.MULTILINE):
        title, comment, prototype = part.groups()
        if title:
            pending = f'.SS "{title}"'
            continue
        if pending:
            body += [pending]
            pending = None
        brief = " ".join(strip_comment(comment).split("\n@")[0].split())
        brief = re.split(r"(?<=[a-z)])\.(?: |$)|(?= @)", brief)[0].rstrip(".:")
        body += [".TP", bold(" ".join(prototype.split()).replace("( ", "(")), prose(brief + ".")]
    body += [".SH EXAMPLE", ".nf", *[escape(line.expandtabs(8)) for line in example.rstrip("\n").split("\n")], ".fi"]
    return page("libpeel", 3, "send through circuits of the IPv8 tunnel overlay", *body, *see_also(("peel", 1), ("peel.ini", 5)))


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def main():
    program, header, *folders = sys.argv[1:]
    man1, man3, man5 = map(pathlib.Path, folders)
    for folder in man1, man3, man5:
        shutil.rmtree(folder, ignore_errors=True)  # a new time of the folder tells the build that it is made
        folder.mkdir(parents=True)
    top, commands = program_help.read(program)
    write(man1, "peel.1", main_page(top, commands))
    for command in commands:
        write(man1, f"peel-{command.name}.1", command_page(command, commands))
    write(man3, "libpeel.3", library_page(pathlib.Path(header)))
    write(man5, "peel.ini.5", settings_page(program))


if __name__ == "__main__":
    main()
