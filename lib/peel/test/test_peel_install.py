# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Peel authors
"""libpeel as others get it: its symbols, and programs built out of tree with pkg-config.

usage: test_peel_install.py BUILD SOURCE LIBPEEL_SO"""

import os
import re
import subprocess
import sys
import tempfile


def run(*words, **more):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **more)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def symbols(source, library):
    text = ""
    for name in ("peel.h", "peel_guest.h"):
        with open(f"{source}/lib/peel/{name}", encoding="utf-8") as file:
            text += re.sub(r"/\*.*?\*/", " ", file.read(), flags=re.S)
    declared = set(re.findall(r"PEEL_API[^;{(]*?\b(peel_\w+)\(", text))
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    defined = {line.split()[2].split("@")[0] for line in lines if line.split()[1] != "A"}
    if declared != defined:
        sys.exit(f"only in the headers: {declared - defined}; only in the library: {defined - declared}")
    if any("@@PEEL_0" not in line for line in lines if line.split()[1] != "A"):
        sys.exit("a symbol has no version")
    dynamic = run("readelf", "-d", library)
    if "Library soname: [libpeel.so.0]" not in dynamic:
        sys.exit("the soname is not libpeel.so.0")


def programs(build, source, library, folder):
    run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder)
    pc = run("find", folder, "-name", "peel.pc").split()
    if len(pc) != 1:
        sys.exit(f"peel.pc was installed as {pc}")
    # Nothing but peel.pc is to be found, and wherever the prefix was moved to is fine.
    env = dict(os.environ, PKG_CONFIG_LIBDIR=os.path.dirname(pc[0]), PKG_CONFIG_SYSROOT_DIR=folder)
    flags = run("pkg-config", "--cflags", "--libs", "peel", env=env).split()
    here = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(os.path.dirname(pc[0])))
    strict = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
    c, cplusplus = "cc", "g++"
    if "__asan_init" in run("nm", "-D", library):  # the runtime is the program's, of the same compiler
        strict.append("-fsanitize=address,undefined")
        if "libasan" not in run("readelf", "-d", library):
            c, cplusplus = "clang", "clang++"
    for example in ("send", "service"):
        run(c, *strict, "-o", f"{folder}/{example}", f"{source}/app/examples/{example}.c", *flags)
    with open(f"{folder}/open.cc", "w", encoding="utf-8") as file:
        file.write("""#include <peel.h>
            int main() {
                const char *none[] = {nullptr};
                struct peel_settings s;
                struct peel *p = nullptr;
                peel_settings_init(&s);
                s.bootstrap = none;
                s.listen = "127.0.0.1:0";
                if (peel_open(&s, &p) != 0 || peel_run(p) != 0) return 1;
                peel_close(p);
                return 0;
            }
""")
    for compiler, standard in ((cplusplus, "c++11"), (cplusplus, "c++20"), (c, "c99"), (c, "c11")):
        name = "open.cc" if compiler == cplusplus else "open.c"
        if name == "open.c":
            with open(f"{folder}/open.cc", encoding="utf-8") as old, open(f"{folder}/open.c", "w", encoding="utf-8") as new:
                new.write(old.read().replace("nullptr", "0").replace("int main()", "int main(void)"))
        run(compiler, f"-std={standard}", *strict, "-o", f"{folder}/open", f"{folder}/{name}", *flags)
        out = run(f"{folder}/open", env=here)
        if out:
            sys.exit(f"printed: {out}")
    # Built in the tree, without installing.
    env = dict(os.environ, PKG_CONFIG_PATH=f"{build}/meson-uninstalled")
    flags = run("pkg-config", "--cflags", "--libs", "peel", env=env).split()
    run(c, *strict, "-o", f"{folder}/send", f"{source}/app/examples/send.c", *flags)


def main():
    build, source, library = sys.argv[1:]
    symbols(source, library)
    with tempfile.TemporaryDirectory(prefix="peel-install-") as folder:
        programs(build, source, library, folder)


main()
