# SPDX-License-Identifier: BSD-3-Clause
"""libpeel as others get it: installed under a directory, found with pkg-config, used by programs built elsewhere."""

import asyncio
import ctypes
import glob
import os
import re
import tempfile

from .libpeel import KEY_LEN, HOPS_LIMIT, LAYOUT, PAYLOAD_MAX, SERVICE_ID_LEN
from .world import EXIT_FLAGS, RELAY_FLAGS, OriginWorld

NODES = [("peel", RELAY_FLAGS), ("python", RELAY_FLAGS), ("peel", EXIT_FLAGS)]
SERVICE_NODES = [("peel", RELAY_FLAGS), ("python", RELAY_FLAGS), ("peel", EXIT_FLAGS), ("peel", EXIT_FLAGS)]
_EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../examples")
_CONSTANTS = {"PEEL_KEY_LEN": KEY_LEN, "PEEL_HOPS_LIMIT": HOPS_LIMIT, "PEEL_PAYLOAD_MAX": PAYLOAD_MAX,
              "PEEL_SERVICE_ID_LEN": SERVICE_ID_LEN}


async def command(*words, env=None, timeout=60):
    """Standard output of a program that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ, **(env or {})))
    try:
        out, error = await asyncio.wait_for(process.communicate(), timeout)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"{os.path.basename(words[0])} ended with {process.returncode}: "
                           f"{error.decode(errors='replace')[-1500:]}")
    return out.decode()


class Prefix:
    """Use as: async with Prefix(build) as prefix. `flags` are what pkg-config says."""

    def __init__(self, build):
        self.build = build
        self.directory = tempfile.TemporaryDirectory(prefix="peel-test-prefix-")
        self.root = self.directory.name

    async def __aenter__(self):
        await command("meson", "install", "-C", self.build, "--no-rebuild", "--quiet", "--destdir", self.root)
        found = glob.glob(f"{self.root}/**/pkgconfig/peel.pc", recursive=True)
        if len(found) != 1:
            raise AssertionError(f"peel.pc was installed {len(found)} times")
        self.pkgconfig = os.path.dirname(found[0])
        self.libraries = os.path.dirname(self.pkgconfig)
        # Only this peel.pc: what it needs must come with it, or be in the library already.
        self.env = {"PKG_CONFIG_LIBDIR": self.pkgconfig, "PKG_CONFIG_SYSROOT_DIR": self.root}
        self.flags = (await command("pkg-config", "--cflags", "--libs", "peel", env=self.env)).split()
        return self

    async def __aexit__(self, *_):
        self.directory.cleanup()

    async def compile(self, source, output, *options, compiler="cc"):
        path = os.path.join(self.root, output)
        await command(compiler, "-O1", "-Wall", "-Wextra", "-Werror", *options, source, "-o", path, *self.flags,
                      f"-Wl,-rpath,{self.libraries}")
        return path


def _layout_program():
    lines = ["#include <stdio.h>", "#include <stddef.h>", "#include <peel.h>", "int main(void) {"]
    for name, structure in LAYOUT.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, _ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu %zu\\n", offsetof(struct {name}, {field}), '
                         f"sizeof(((struct {name} *)0)->{field}));")
    for name in _CONSTANTS:
        lines.append(f'printf("{name} %d\\n", {name});')
    return "\n".join([*lines, "return 0; }", ""])


def _layout_expected():
    lines = []
    for name, structure in LAYOUT.items():
        lines.append(f"{name} {ctypes.sizeof(structure)}")
        for field, _ in structure._fields_:
            place = getattr(structure, field)
            lines.append(f"{name}.{field} {place.offset} {place.size}")
    return lines + [f"{name} {value}" for name, value in _CONSTANTS.items()]


def _fields_in_header(text, name):
    """Names of the fields of a structure, in order, as the header has them."""
    body = re.search(r"struct %s \{(.*?)\n\};" % name, text, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", " ", body, flags=re.S)
    names = []
    for declaration in filter(str.strip, body.split(";")):
        names += [re.sub(r"\[.*?\]", "", part).split()[-1].lstrip("*") for part in declaration.split(",")]
    return names


async def layout(prefix):
    """What Python calls by is what the header says: each field at its place, none left out."""
    source = os.path.join(prefix.root, "layout.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write(_layout_program())
    program = await prefix.compile(source, "layout")
    told = (await command(program)).splitlines()
    expected = _layout_expected()
    different = [f"header: {a}, here: {b}" for a, b in zip(told, expected) if a != b]
    if different or len(told) != len(expected):
        raise AssertionError("; ".join(different[:8]))
    header = glob.glob(f"{prefix.root}/**/include/peel.h", recursive=True)[0]
    with open(header, encoding="utf-8") as file:
        text = file.read()
    for name, structure in LAYOUT.items():
        fields = _fields_in_header(text, name)
        if fields != [field for field, _ in structure._fields_]:
            raise AssertionError(f"struct {name} has the fields {fields}")
    return f"{len(told)} lines"


async def cplusplus(prefix):
    """The header is for C++ too."""
    source = os.path.join(prefix.root, "version.cc")
    with open(source, "w", encoding="utf-8") as file:
        file.write('#include <peel.h>\n#include <cstdio>\nint main() { std::puts(peel_version()); '
                   "return peel_strerror(0) == nullptr; }\n")
    program = await prefix.compile(source, "version", "-pedantic", compiler="c++")
    version = (await command(program)).strip()
    told = (await command("pkg-config", "--modversion", "peel", env=prefix.env)).strip()
    if version != told:
        raise AssertionError(f"the library is {version}, peel.pc says {told}")
    return version


async def example(prefix, options):
    """The example as its page says it is built; it sends a message over three hops and prints the answer."""
    source = os.path.join(_EXAMPLES, "send.c")
    program = await prefix.compile(source, "send")
    async with OriginWorld(NODES, binary=options.peel) as world:
        await world.settle()
        entry = "%s:%d" % world.addresses[0]
        for hops in ("1", "3"):
            out = await command(program, hops, entry, world.echo_ip, str(world.echo.port), "dhellooutsidee")
            if not out.startswith(f"{world.echo_ip}:{world.echo.port}: dhellooutsidee\n"):
                raise AssertionError(f"{hops} hops: {out!r}")


async def service_example(prefix, options):
    """Two of the other example meet under a name and print what the other says."""
    source = os.path.join(_EXAMPLES, "service.c")
    program = await prefix.compile(source, "service")
    async with OriginWorld(SERVICE_NODES, binary=options.peel) as world:
        await world.settle()
        entry = "%s:%d" % world.addresses[0]
        outs = await asyncio.gather(*[command(program, "1", entry, "my service identifier", f"from {who}", timeout=110)
                                      for who in ("here", "there")])
        for out, said in zip(outs, ("from there", "from here")):
            if not re.fullmatch(r"127\.\d+\.\d+\.\d+:1024: %s\n(.*\n)*" % said, out):
                raise AssertionError(f"printed {out!r}, not {said!r}")


async def one_world(runner, options):
    async with Prefix(options.build) as prefix:
        await runner.case("installed: layout of structures", layout, prefix)
        await runner.case("installed: a program in C++", cplusplus, prefix)
        await runner.case("installed: the example", example, prefix, options)
        await runner.case("installed: the example of a service", service_example, prefix, options)
