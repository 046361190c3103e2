# SPDX-License-Identifier: BSD-3-Clause
"""Run the cases in a container that `run` has prepared: python -m systemd --tree FOLDER --installed FOLDER"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

from frozen import frozen
from interop.runner import Runner, Skipped

from .container import TUN, Container

SCORE_MAX = 1.3
RELAY = "peel-relay.service"
CIRCUITS = 8  # of a client with default settings


class Service:
    """Relays as an operator installs and runs them."""

    def __init__(self, tree, installed):
        self.box = Container(tree, installed)

    def configure(self, name, port, node="", rest=""):
        self.box.run("install", "-d", "-m", "750", "-g", "peel", "/etc/peel")
        if not self.box.exists(f"/etc/peel/{name}.key"):
            self.box.run("peel", "keygen", f"/etc/peel/{name}.key")
            self.box.run("chown", "peel:", f"/etc/peel/{name}.key")
        port = port if isinstance(port, str) else f"listen = 127.0.0.1:{port}"
        self.box.write(f"/etc/peel/{name}.ini", f"[node]\nkey = /etc/peel/{name}.key\nmanagement = /run/peel/{name}.sock\n"
                       f"{node}\n[port]\n{port}\n[discovery]\nbootstrap =\n[tunnel]\nexit_bt = yes\n[workers]\n"
                       f"hugepages = no\n{rest}", mode="640")
        self.box.run("chgrp", "peel", f"/etc/peel/{name}.ini")

    def drop_in(self, unit, text):
        self.box.write(f"/run/systemd/system/{unit}.d/test.conf", f"[Service]\n{text}\n")
        self.box.run("systemctl", "daemon-reload")

    def systemctl(self, *words, **kwargs):
        return self.box.run("systemctl", *words, **kwargs)

    def status(self, name, *what):
        return json.loads(self.box.run("peel", "status", "-s", f"/run/peel/{name}.sock", *what).stdout)

    def score(self, unit):
        """What `systemd-analyze security` says of it: 0 is best, 10 worst. And its whole line."""
        line = self.box.run("systemd-analyze", "security", "--no-pager", unit).stdout.splitlines()[-1]
        return float(re.search(r": (\d+\.\d+) ", line).group(1)), line

    def pid(self, unit):
        return int(self.box.show(unit, "MainPID")["MainPID"])

    def threads(self, unit):
        """Threads of the unit's process by name, with their numbers outside of the container."""
        inside = self.pid(unit)
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/status", encoding="ascii") as file:
                    text = file.read()
                if re.search(rf"^NSpid:\t\d+\t{inside}$", text, re.M) and re.search("^Name:\tpeel$", text, re.M):
                    return {comm(entry, thread): int(thread) for thread in os.listdir(f"/proc/{entry}/task")}
            except FileNotFoundError:
                pass  # it has ended
        raise AssertionError(f"{unit} has no process")


def comm(process, thread):
    with open(f"/proc/{process}/task/{thread}/comm", encoding="ascii") as file:
        return file.read().strip()


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found}, not {wanted}")


async def install(service):
    """What the README says after `meson install`."""
    box = service.box
    box.run("systemd-sysusers")
    box.run("systemd-tmpfiles", "--create", "peel.conf")
    service.systemctl("daemon-reload")
    expect(box.run("stat", "-c", "%n %U:%G %a", "/etc/peel", "/run/peel", "/var/lib/peel", "/var/log/peel").stdout,
           "/etc/peel root:peel 750\n/run/peel peel:peel 750\n/var/lib/peel peel:peel 700\n/var/log/peel peel:peel 750\n")
    service.configure("relay", 8090)
    verified = box.run("systemd-analyze", "verify", RELAY, "peel@other.service")
    expect(verified.stdout + verified.stderr, "")


async def score(service):
    for unit in ("peel@relay.service", RELAY):
        level, line = service.score(unit)
        if level > SCORE_MAX:
            raise AssertionError(line)
    return f"exposure level {level}"


async def start(service):
    service.systemctl("enable", "--now", RELAY)
    shown = service.box.show(RELAY, "ActiveState", "StatusText", "NRestarts")
    expect((shown["ActiveState"], shown["NRestarts"]), ("active", "0"))
    if not re.fullmatch(r"0 circuits end here, 0 relayed; 0 peers; \d+ kB/s in, \d+ kB/s out",
                        shown["StatusText"]):
        raise AssertionError(shown["StatusText"])
    messages = [entry["MESSAGE"] for entry in service.box.journal(RELAY)]
    for word in ("ready 127.0.0.1:8090", "Started "):
        if not any(message.startswith(word) for message in messages):
            raise AssertionError(f"no {word}: {messages}")
    privileges = service.status("relay")["privileges"]
    expect((privileges["user"], privileges["capabilities"], privileges["system_calls"]), ("peel", [], "seccomp"))
    return shown["StatusText"]


async def journal(service):
    """Each line has its level, its part of the program, its relay and its place in the sources."""
    lines = service.box.journal(RELAY, "_COMM=peel", "_TRANSPORT=journal")
    areas = set()
    for entry in lines:
        expect((entry["PEEL_INSTANCE"], entry["SYSLOG_IDENTIFIER"]), ("relay", "peel"))
        folder, _, name = entry["CODE_FILE"].rpartition("/")
        if not folder.endswith("/" + entry["PEEL_AREA"]) or not name.endswith(".c"):
            raise AssertionError(f"{entry['PEEL_AREA']}: {entry['CODE_FILE']}")
        if int(entry["CODE_LINE"]) < 1 or not entry["CODE_FUNC"].isidentifier():
            raise AssertionError(f"{entry['CODE_LINE']} {entry['CODE_FUNC']}")
        areas.add(entry["PEEL_AREA"])
    first = next(entry for entry in lines if entry["MESSAGE"].startswith("peel "))
    expect((first["PRIORITY"], first["PEEL_AREA"], first["CODE_FILE"], first["CODE_FUNC"]),
           ("6", "peel", "app/peel/session.c", "log_start"))
    expect(len(service.box.journal(RELAY, "PEEL_AREA=peel", "CODE_FUNC=log_start")), 2)
    return f"{len(lines)} lines from {', '.join(sorted(areas))}"


async def reload(service):
    box, pid = service.box, service.pid(RELAY)
    service.configure("relay", 8090, rest="[exit]\ndeny = 192.0.2.0/24\n")
    service.systemctl("reload", RELAY)
    if not box.journal(RELAY, "PEEL_INSTANCE=relay", "CODE_FUNC=apply"):
        raise AssertionError("the journal does not tell of it")
    service.configure("relay", 8090, rest="[exit]\ndeny = everything\n[log]\nlevel = loud\n")
    if service.systemctl("reload", RELAY, check=False).returncode == 0:
        raise AssertionError("a mistake is no error")
    expect(len([entry for entry in box.journal(RELAY) if "/etc/peel/relay.ini:1" in entry["MESSAGE"]]), 2)
    # By the signal, the node itself says what is wrong: one entry, of two lines.
    service.systemctl("kill", "--kill-whom=main", "--signal=HUP", RELAY)
    why = box.until(lambda: box.journal(RELAY, "PEEL_INSTANCE=relay", "CODE_FUNC=refuse"))[-1]
    expect((why["PRIORITY"], why["MESSAGE"].count("\n")), ("3", 1))
    service.configure("relay", 8090)
    service.systemctl("kill", "--kill-whom=main", "--signal=HUP", RELAY)
    box.until(lambda: len(box.journal(RELAY, "PEEL_INSTANCE=relay", "CODE_FUNC=apply")) >= 2)
    box.until(lambda: box.show(RELAY, "ActiveState")["ActiveState"] == "active")
    expect(service.pid(RELAY), pid)


async def log_file(service):
    """With the distribution's logrotate."""
    box, log = service.box, "/var/log/peel/relay.log"
    service.configure("relay", 8090, rest=f"[log]\nfile = {log}\n")
    service.systemctl("restart", RELAY)
    box.run("install", "-m", "644", "/usr/local/share/peel/logrotate.conf", "/etc/logrotate.d/peel")
    for i in (1, 2):
        box.run("logrotate", "--force", "/etc/logrotate.d/peel")
        box.until(lambda: "info: reloaded " in box.read(log), what=lambda: box.run("ls", "-l", "/var/log/peel").stdout)
        rotated = box.read(log + ".1")
        expect(("info: peel " in rotated), i == 1)  # the start is in the first one
    before = box.read(log + ".1")
    service.systemctl("restart", RELAY)
    expect(("info: stopping\n" in box.read(log), box.read(log + ".1")), (True, before))
    expect(box.run("stat", "-c", "%U:%G %a", log).stdout, "peel:peel 640\n")
    return " ".join(sorted(box.run("ls", "/var/log/peel").stdout.split()))


async def two(service):
    """Two relays from the template, beside the first one; the end of one leaves the folders to the others."""
    for name, port in (("east", 8091), ("west", 8092)):
        service.configure(name, port)
        service.systemctl("start", f"peel@{name}")
    expect([service.status(name)["address"] for name in ("relay", "east", "west")],
           [f"127.0.0.1:{port}" for port in (8090, 8091, 8092)])
    east = service.box.journal("peel@east.service", "PEEL_INSTANCE=east", "CODE_FUNC=log_start")
    expect((len(east), len(service.box.journal("peel@east.service", "PEEL_INSTANCE=west"))), (2, 0))
    service.systemctl("stop", "peel@east")
    expect(service.box.run("sh", "-c", "ls /run/peel/*.sock").stdout, "/run/peel/relay.sock\n/run/peel/west.sock\n")
    service.status("west")
    service.systemctl("stop", "peel@west")


async def drain(service):
    """`systemctl stop` waits for circuits, longer than TimeoutStopSec."""
    box, unit = service.box, "peel@drained.service"
    service.configure("drained", 8093, node="shutdown_wait = 60")
    service.drop_in(unit, "TimeoutStopSec=2")
    service.systemctl("start", unit)
    box.write("/tmp/client.ini", "[port]\nlisten = 127.0.0.1:0\n[discovery]\nbootstrap = 127.0.0.1:8093\n[workers]\n"
              "hugepages = no\n[socks]\nhops1 = 127.0.0.1:0\n")
    client = subprocess.Popen(box.enter("peel", "client", "-c", "/tmp/client.ini"), start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        box.until(lambda: service.status("drained")["circuits"]["exits"] == CIRCUITS,
                  what=lambda: service.status("drained")["circuits"])
        begin = time.monotonic()
        service.systemctl("stop", "--no-block", unit)
        box.until(lambda: box.show(unit, "StatusText")["StatusText"].startswith(f"draining: {CIRCUITS} circuits end here"))
        await asyncio.sleep(5)
        expect(box.show(unit, "ActiveState")["ActiveState"], "deactivating")
    finally:
        os.killpg(client.pid, signal.SIGTERM)  # it and nsenter
        client.wait(30)
    box.until(lambda: box.show(unit, "ActiveState")["ActiveState"] == "inactive")
    expect(box.show(unit, "Result", "ExecMainStatus"), {"Result": "success", "ExecMainStatus": "0"})
    return f"{time.monotonic() - begin:.1f} s with {CIRCUITS} circuits"


async def watchdog(service, freeze):
    """What does not move is replaced. `freeze` stops something of these threads, and gives a function that tells
    whether it was killed."""
    box, unit = service.box, "peel@watched.service"
    service.configure("watched", 8094)
    service.drop_in(unit, "WatchdogSec=3\nRestartSec=100ms")
    service.systemctl("start", unit)
    before = service.pid(unit)
    await asyncio.sleep(4)
    expect(service.pid(unit), before)  # it is fed
    begin = time.monotonic()
    with freeze(service.threads(unit)) as killed:
        box.until(killed)
        took = time.monotonic() - begin
    box.until(lambda: box.show(unit, "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "1"})
    if not any("Watchdog timeout" in entry["MESSAGE"] for entry in box.journal(unit)):
        raise AssertionError("not because of the watchdog")
    service.systemctl("stop", unit)
    return f"killed after {took:.1f} s"


async def worker(service):
    note = await watchdog(service, lambda threads: frozen(threads["peel-worker0"]))
    lines = service.box.journal("peel@watched.service", "CODE_FUNC=all_move")
    if not lines or "have not moved" not in lines[-1]["MESSAGE"]:
        raise AssertionError(f"the journal does not say why: {lines}")
    return note


@contextlib.contextmanager
def stopped(threads):
    """The whole process."""
    process = min(threads.values())
    os.kill(process, signal.SIGSTOP)
    yield lambda: not os.path.exists(f"/proc/{process}")


async def device(service, kind, kept):
    """A relay over a DPDK device is never root."""
    box, name = service.box, kind.replace("_", "")
    unit = f"peel@{name}.service"
    if kind == "tap" and not box.exists(TUN):
        raise Skipped(f"there is no {TUN}")
    if kind != "tap":
        box.run("ip", "link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1")
        for end in (0, 1):
            box.run("ip", "link", "set", f"{name}{end}", "up")
    service.configure(name, f"driver = ethdev\ndevice = net_{kind}0,iface={name}0\naddress = 198.51.100.2/24\n"
                      "listen = 0.0.0.0:8090")
    box.run("install", "-d", f"/etc/systemd/system/{unit}.d")
    box.run("ln", "-s", f"/usr/local/share/peel/device/{kind}.conf", f"/etc/systemd/system/{unit}.d/")
    service.systemctl("daemon-reload")
    service.systemctl("start", unit)
    privileges = service.status(name)["privileges"]
    expect((privileges["user"], privileges["capabilities"], privileges["system_calls"]), ("peel", kept, "seccomp"))
    service.systemctl("stop", unit)
    level, _ = service.score(unit)
    return f"exposure level {level}"


async def run(options):
    runner = Runner(options.pattern)
    service = Service(options.tree, options.installed)

    async def boot():
        service.box.boot()

    try:
        await runner.case("boots", boot)
        for name, function, *args in (
                ("installed, units are valid", install), ("security score", score), ("start", start),
                ("journal, with fields", journal), ("reload", reload), ("log file and logrotate", log_file),
                ("two from the template", two), ("drain at stop", drain), ("watchdog, a worker", worker),
                ("watchdog, all", watchdog, stopped),
                ("device, net_af_packet", device, "af_packet", ["net_admin", "net_raw"]),
                ("device, net_af_xdp", device, "af_xdp", ["net_admin", "net_raw", "ipc_lock", "bpf"]),
                ("device, net_tap", device, "tap", [])):
            await runner.case(name, function, service, *args)
        if runner.failed and service.box.leader:
            print(service.box.run("journalctl", "-b", "-n", "120", "--no-pager", check=False).stdout)
    finally:
        service.box.close()
    return runner.summary()


def main():
    parser = argparse.ArgumentParser(prog="systemd")
    parser.add_argument("--tree", required=True, help="a Debian system")
    parser.add_argument("--installed", required=True, help="where Peel was installed to")
    parser.add_argument("-k", dest="pattern", default="", help="only cases with this in their name")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
