# SPDX-License-Identifier: BSD-3-Clause
"""Machines that lack something: a relay and libpeel start without it, or say what to install. test_bare.py PEEL LIBRARY_TEST

Each case hides a part of this machine from one process, in a mount namespace (root only)."""

import glob
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

SKIPPED = 77
PATIENCE = 100  # s

# As systemd-nspawn does it: DPDK sees the CPUs, and not which modules the kernel has.
NO_MODULES = """
mkdir {folder}/sys && mount --bind /sys {folder}/sys && mount -t tmpfs none /sys &&
mkdir /sys/devices && mount --bind {folder}/sys/devices /sys/devices && test ! -e /sys/module
"""
NO_DRIVERS = "mkdir {folder}/none && " + " && ".join(
    f"mount --bind {{folder}}/none {path}" for path in glob.glob("/usr/lib/*/dpdk/pmds-*"))


def bare(hide, folder, *command):
    script = f"{hide.format(folder=folder).strip()} && exec \"$@\""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]


def relay(peel, folder, hide):
    """What a relay prints on standard output first, and its log."""
    config = pathlib.Path(folder, "relay.ini")
    config.write_text(f"[node]\nkey = {folder}/key\n[port]\nlisten = 127.0.0.1:0\n"
                      "[workers]\nhugepages = no\n[discovery]\nbootstrap =\n", encoding="utf-8")
    subprocess.run([peel, "keygen", f"{folder}/key"], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(bare(hide, folder, peel, "relay", "-c", str(config)), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    signal.alarm(PATIENCE)
    first = process.stdout.readline()
    if process.poll() is None:
        process.terminate()
    _, log = process.communicate()
    signal.alarm(0)
    return first, log, process.returncode


def main():
    peel, library_test = sys.argv[1:]
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"]).returncode:
        print("skipped: needs root and mount namespaces")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        first, log, code = relay(peel, folder, NO_MODULES)
        assert first.startswith("ready 127.0.0.1:") and code == 0, (first, log, code)
    with tempfile.TemporaryDirectory() as folder:
        first, log, code = relay(peel, folder, NO_DRIVERS)
        assert not first and code == 1 and "install librte_mempool_ring (Debian: the package " in log, (first, log, code)
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(bare(NO_MODULES, folder, library_test), capture_output=True, text=True, timeout=PATIENCE)
        assert run.returncode == 0, run.stdout + run.stderr
    print("3 cases")


if __name__ == "__main__":
    main()
