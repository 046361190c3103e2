# SPDX-License-Identifier: BSD-3-Clause
"""Completion in real shells at a terminal: test_completion.py BASH_FILE ZSH_FILE

Each case types a line and presses the tabulator key; what the shell then shows is looked at."""

import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PATIENCE = 30  # s; a shell needs some hundredths

# (what is typed, what the line becomes), both without "peel "
UNIQUE = [
    ("rela", "relay "),
    ("speedt", "speedtest "),
    ("status cir", "status circuits"),
    ("service publ", "service publish"),
    ("relay --che", "relay --check"),
    ("service connect --lis", "service connect --listen"),
    ("relay -c rela", "relay -c relay-of-mine.ini"),
    ("keygen --show the-k", "keygen --show the-key"),
]
# (what is typed, all that is offered and nothing else)
CHOICES = [
    ("re", {"relay", "reload"}),
    ("status ", {"status", "circuits", "own", "peers", "stats"}),
    ("drain --c", {"--config", "--cancel"}),
]


class Shell:
    def __init__(self, argv, folder, setup):
        self.master, slave = pty.openpty()
        env = {"PATH": os.environ["PATH"], "HOME": folder, "TERM": "dumb", "LC_ALL": "C.UTF-8", "HISTFILE": "/dev/null"}
        self.process = subprocess.Popen(argv, cwd=folder, env=env, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.seen = ""
        self.send(setup + "\n")
        self.send("echo is''ready\n")
        self.until(r"isready\n> $")

    def send(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.seen += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x07\r]", "", os.read(self.master, 65536).decode(errors="replace"))

    def until(self, pattern):
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.seen):
            assert time.monotonic() < end, f"{self.process.args[0]}: no {pattern!r} in:\n{self.seen}"
            self.read(0.2)
        return re.search(pattern, self.seen)

    def new_line(self):
        """Take back what is typed. The shell answers when it has done all before; with its prompt, keys are its own."""
        self.send("\x15echo ne''xt\n")
        self.until(r"(^|\n)next\n> $")
        self.seen = ""

    def complete(self, typed, tabs=1):
        self.seen = ""
        self.send(f"peel {typed}" + "\t" * tabs)

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


def offered(text):
    """The words of a list; zsh has one in each line where there is something to say about it."""
    lines = text.splitlines()
    return {word for line in lines for word in line.split(" -- ")[0].split()}


def play(shell):
    for typed, becomes in UNIQUE:
        shell.complete(typed)
        shell.until(re.escape(becomes))
        shell.new_line()
    for typed, wanted in CHOICES:
        shell.complete(typed, tabs=3)
        found = offered(shell.until(r"(?s)\n(.*?)\n> peel ").group(1))
        assert found == wanted, f"{shell.process.args[0]}: {typed}: {found}"
        shell.new_line()
    # A value that only the user knows: nothing is offered, and nothing is typed.
    shell.complete("drain --timeout ", tabs=2)
    shell.send("7 END")
    shell.until(r"END")
    assert shell.seen == "peel drain --timeout 7 END", f"{shell.process.args[0]}: {shell.seen}"
    shell.new_line()
    return len(UNIQUE) + len(CHOICES) + 1


def main():
    bash_file, zsh_file = (os.path.abspath(path) for path in sys.argv[1:])
    shells = {"bash": (["bash", "--norc", "--noprofile", "-i"], f"PS1='> '; source {bash_file}"),
              "zsh": (["zsh", "-f", "-i"], f"PS1='> '; unsetopt prompt_sp; fpath=({os.path.dirname(zsh_file)} $fpath); "
                                           "autoload -U compinit && compinit -u -D")}
    missing = [name for name in shells if not shutil.which(name)]
    if missing:
        print(f"skipped: needs {' and '.join(missing)}")
        sys.exit(SKIPPED)
    for name, (argv, setup) in shells.items():
        with tempfile.TemporaryDirectory() as folder:
            for file in "relay-of-mine.ini", "the-key":
                pathlib.Path(folder, file).touch()
            shell = Shell(argv, folder, setup)
            try:
                print(f"{name}: {play(shell)} cases")
            finally:
                shell.close()


if __name__ == "__main__":
    main()
