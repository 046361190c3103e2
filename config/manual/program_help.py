# SPDX-License-Identifier: BSD-3-Clause
"""What `peel --help` and `peel COMMAND --help` say, and the samples of its configuration, taken apart."""

import dataclasses
import re
import subprocess

# "  -c, --config FILE      the configuration": the term, at least two spaces, the text.
ITEM = re.compile(r"^ {2,6}(?P<term>\S.*?)(?: {2,}(?P<text>\S.*))?$")
FURTHER = re.compile(r"^ {9,}(\S.*)$")
TITLE = re.compile(r"^([a-z][^:]*):$")
OPTION = re.compile(r"(?:(?P<short>-\w), )?(?P<long>--[\w-]+)(?P<value>\[=\w+\]| [A-Z:]+)?$")


@dataclasses.dataclass
class Option:
    short: str | None
    long: str
    value: str  # what stands for its value in the help, "": it takes none
    optional: bool  # --watch[=SECONDS]
    about: str


@dataclasses.dataclass
class Section:
    title: str
    items: list = dataclasses.field(default_factory=list)  # (term, text)

    def options(self):
        for term, text in self.items:
            match = OPTION.match(term)
            if not match:
                raise ValueError(f"\"{term}\" in the help is no option; two spaces stand before what it means")
            value = match["value"] or ""
            yield Option(match["short"], match["long"], value.strip(" [=]"), value.startswith("["), text)


@dataclasses.dataclass
class Help:
    name: str  # "" for the program itself
    usage: list
    blocks: list  # a paragraph is a text, what has a title is a Section
    about: str = ""

    def sections(self, begin=""):
        return [block for block in self.blocks if isinstance(block, Section) and block.title.startswith(begin)]

    def words(self):
        """{word: what may follow it}: the commands below this one, or the words that its arguments may be."""
        below = [line.split()[1] for line in self.usage if re.match(r"\S+ [a-z]+( |$)", line)]
        if below:
            return below
        return [word for line in self.usage for part in re.findall(r"\[([a-z_]+(?:\|[a-z_]+)+)\]", line)
                for word in part.split("|")]


def parse(name, text):
    head, _, rest = text.partition("\n\n")
    usage = [line.strip().removeprefix("usage: ").removeprefix("peel ") for line in head.split("\n")]
    usage = [part.removeprefix("peel ") for line in usage for part in line.split(" | peel ")]
    blocks = []
    for block in rest.rstrip("\n").split("\n\n"):
        lines = block.split("\n")
        title = TITLE.match(lines[0])
        if not title or len(lines) == 1 or not lines[1].startswith("  "):
            blocks.append(" ".join(lines))
            continue
        section = Section(title[1])
        for line in lines[1:]:
            if more := FURTHER.match(line):
                term, about = section.items[-1]
                section.items[-1] = term, f"{about} {more[1]}".strip()
            elif item := ITEM.match(line):
                section.items.append((item["term"], item["text"] or ""))
            else:
                raise ValueError(f"peel {name} --help: this line of \"{title[1]}\" is no item: {line}")
        blocks.append(section)
    return Help(name, usage, blocks)


def output(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def read(program):
    """The help of the program, and a list of that of its commands."""
    top = parse("", output(program, "--help"))
    commands = []
    for name, about in top.sections("commands")[0].items:
        commands.append(parse(name, output(program, name, "--help")))
        commands[-1].about = about
    return top, commands


@dataclasses.dataclass
class Setting:
    names: list  # rows that share a text
    about: str
    allowed: str
    reload: bool
    values: dict  # {(name, what the sample is of): (value, whether the sample sets it)}


def settings(program):
    """The text before the first section, and {section: [Setting]} in the order of the samples."""
    found = {}
    intro = []
    for use in "relay", "client":
        paragraphs, section, comment = [], None, []
        for line in output(program, use, "--sample").split("\n")[1:]:
            setting = re.match(r"(#?)(\w+) =(?: (.*))?$", line)
            if line.startswith("["):
                section = line.strip("[]")
                found.setdefault(section, [])
            elif setting and section:
                add(found[section], use, setting, comment)
                comment = []
            elif line.startswith("#"):
                comment.append(line[1:].strip())
            if section is None and line in ("", "#") and comment:
                paragraphs.append(" ".join(comment).strip())
                comment = []
        intro.append(paragraphs)
    return intro[0], found


def add(section, use, setting, comment):
    off, name, value = setting.groups()
    row = next((row for row in section if name in row.names), None)
    if row is None and not comment:
        row = section[-1]
        row.names.append(name)
    elif row is None:
        at = next((i for i, line in enumerate(comment) if line.startswith("Allowed: ")), len(comment))
        about = " ".join(comment[:at])
        row = Setting([name], about.removeprefix("[reload] "), " ".join(comment[at:]).removeprefix("Allowed: "),
                      about.startswith("[reload] "), {})
        section.append(row)
    row.values[name, use] = (value or "", off == "")
