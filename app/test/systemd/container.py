# SPDX-License-Identifier: BSD-3-Clause
"""A Debian system with systemd in a container, and commands inside."""

import json
import os
import signal
import subprocess
import tempfile
import time

TUN = "/dev/net/tun"


class Container:
    """`tree` stays as it is: what the system writes is gone when it ends. `installed` has Peel below /usr/local."""

    def __init__(self, tree, installed):
        self.output = tempfile.TemporaryFile()
        command = ["setpriv", "--pdeathsig", "TERM",
                   "systemd-nspawn", "--quiet", "--boot", f"--directory={tree}", "--volatile=overlay",
                   "--private-network", f"--machine=peel-test-{os.getpid()}", "--console=pipe",
                   f"--bind-ro={installed}/usr/local:/usr/local",
                   # AF_XDP takes these, and Peel's fences the calls.
                   "--capability=CAP_BPF,CAP_PERFMON,CAP_IPC_LOCK",
                   "--system-call-filter=bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self"]
        if os.path.exists(TUN):
            command.append(f"--bind={TUN}")
        if not os.path.isdir("/run/systemd/system"):  # nobody here keeps a list of containers
            command += ["--register=no", "--keep-unit"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=subprocess.STDOUT)
        self.leader = None

    def boot(self, seconds=60):
        """Until all that starts by itself has started."""
        self.until(self.find_leader, seconds)
        self.until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in
                   ("running", "degraded"), seconds)
        if failed := self.run("systemctl", "--failed", "--plain", "--no-legend").stdout:
            raise AssertionError(f"failed at boot: {failed}")

    def find_leader(self):
        if self.process.poll() is not None:
            self.output.seek(0)
            raise AssertionError(f"the container ended: {self.output.read().decode(errors='replace')}")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            children = file.read().split()
        self.leader = children[0] if children else None
        return self.leader is not None

    def enter(self, *command):
        return ["nsenter", "--target", self.leader, "--all", "--", *command]

    def run(self, *command, check=True, stdin=None, seconds=60):
        result = subprocess.run(self.enter(*command), input=stdin, capture_output=True, text=True, timeout=seconds,
                                check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: {result.returncode}: {result.stdout}{result.stderr}")
        return result

    def write(self, path, text, owner=None, mode="644"):
        self.run("install", "-D", "-m", mode, "/dev/stdin", path, *(["-o", owner] if owner else []), stdin=text)

    def read(self, path):
        return self.run("cat", path).stdout

    def exists(self, path):
        return self.run("test", "-e", path, check=False).returncode == 0

    def show(self, unit, *names):
        """Properties of a unit."""
        lines = self.run("systemctl", "show", "-p", ",".join(names), unit).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit, *matches):
        """Entries of a unit and about it."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "-q", "-b", "-o", "json", "-u", unit, *matches).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def until(self, condition, seconds=30, what=None):
        end = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what() if what else ''}")
            time.sleep(0.1)
        return value

    def close(self):
        if self.process.poll() is None:
            if self.leader:
                self.run("systemctl", "--force", "--force", "poweroff", check=False)
            else:
                self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                if self.leader:  # it would outlive systemd-nspawn
                    os.kill(int(self.leader), signal.SIGKILL)
                self.process.kill()
                self.process.wait()
        self.output.close()
