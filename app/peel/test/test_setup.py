# SPDX-License-Identifier: BSD-3-Clause
"""What `peel setup` says of a machine and does to it. Usage: test_setup.py PEEL

As root, in a network of its own, where files of the test lie over those of /proc and /sys that would change the machine.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

from folder import Folder

PEEL = None
INSIDE = "PEEL_TEST_INSIDE"
PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB"
PCI = "0000:03:00.0"
ITEM = re.compile(r"^(\w+): (.*\n(?:\t.*\n)*)", re.MULTILINE)
# What is said beside items, and what sysctl says.
SENTENCES = (r"^(`peel setup --apply.*\n|This machine lacks nothing .*\n|written for the next starts .*\n|"
             r"[a-z._]+ = \d+\n(\tdone\n)?)*$")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def can_hide():
    """Whether the kernel gives us mounts and a network of our own."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "--net", "true"], capture_output=True,
                                                check=False).returncode == 0


class Setup(Folder):
    def setup(self, *options, code=0, before=(), **environment):
        """What it prints, by item."""
        result = subprocess.run([*before, PEEL, "setup", *options], capture_output=True, text=True, timeout=120,
                                env={**os.environ, **environment}, check=False)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        self.output = result.stdout + result.stderr
        # All that is printed is understood, so an item that is not found is not there.
        self.assertRegex(re.sub(ITEM, "", result.stdout), SENTENCES)
        return dict(re.findall(ITEM, result.stdout))


class Words(Setup):
    def test_arguments(self):
        for args, word in ((["x"], '"x"'), (["--persist"], "--apply"), (["-c", "/nowhere"], "No such file")):
            result = subprocess.run([PEEL, "setup", *args], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(word, result.stderr)

    def test_each_says_what_it_is_for(self):
        config = self.write("relay.ini", "[tunnel]\nexit_bt = yes\n[exit]\nmax_sockets = 1000\n")
        items = self.setup("-c", config, before=["prlimit", "--nofile=1000:1000"])
        self.assertIn("open_files", items)
        for item in items.values():
            self.assertRegex(item, r"^.*\.\n\thelps: .*\n\tcosts: .*\n(\t# .*\n)*$")


@unittest.skipUnless(os.environ.get(INSIDE), "needs root, and a network and mounts of its own")
class Apply(Setup):
    def setUp(self):
        super().setUp()
        self.cover("/proc/sys/net/core/rmem_max", self.write("rmem", "212992\n"))
        self.cover("/proc/sys/net/core/wmem_max", self.write("wmem", "16777216\n"))
        pages = self.write("pages", "3\n")
        for place in ("/proc/sys/vm/nr_hugepages", f"{PAGES}/nr_hugepages", f"{PAGES}/free_hugepages"):
            if os.path.exists(place):
                self.cover(place, pages)
        os.makedirs("/etc/sysctl.d", exist_ok=True)
        run("mount", "-t", "tmpfs", "none", "/etc/sysctl.d")
        self.addCleanup(run, "umount", "/etc/sysctl.d")
        run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
        self.addCleanup(run, "ip", "link", "del", "up0")
        run("ip", "addr", "add", "192.0.2.7/24", "dev", "up0")
        run("ip", "link", "set", "up0", "up")
        run("ip", "link", "set", "up1", "up")
        run("ip", "route", "add", "default", "via", "192.0.2.1")

    def cover(self, place, file):
        run("mount", "--bind", file, place)
        self.addCleanup(run, "umount", place)

    def read(self, name):
        with open(name, encoding="utf-8") as file:
            return file.read()

    def test_kernel_settings(self):
        items = self.setup()
        self.assertIn("# sysctl -w net.core.rmem_max=4194304\n", items["socket_buffers"])
        self.assertNotIn("wmem_max", items["socket_buffers"])  # it is larger already, and stays so
        pages = int(re.search(r"vm\.nr_hugepages=(\d+)", items["hugepages"]).group(1))
        self.assertGreater(pages, 3)
        self.assertEqual(self.read(self.path("rmem")), "212992\n")  # so far it was talk
        self.setup("--apply")
        self.assertEqual((int(self.read(self.path("rmem"))), int(self.read(self.path("wmem")))), (4194304, 16777216))
        self.assertEqual(int(self.read(self.path("pages"))), pages)
        self.assertEqual(os.listdir("/etc/sysctl.d"), [])
        # What is done is not said again; kept for the next start it is all the same, again and again.
        for _ in range(2):
            self.assertFalse({"socket_buffers", "hugepages"} & set(self.setup("--apply", "--persist")))
            self.assertEqual(self.read("/etc/sysctl.d/peel.conf"), "# written by `peel setup --apply --persist`\n"
                             f"net.core.rmem_max=4194304\nvm.nr_hugepages={pages}\n")
            self.assertEqual(os.listdir("/etc/sysctl.d"), ["peel.conf"])

    def test_too_few_pages(self):
        """The kernel gives fewer than it is asked for: that is an error, and said."""
        for place in (f"{PAGES}/nr_hugepages", f"{PAGES}/free_hugepages"):
            self.cover(place, self.write("fewer", "4\n"))
        self.setup("--apply", code=1)
        self.assertRegex(self.output, r"the commands of hugepages have run, and still: \d+ hugepages of 2 MiB are needed, and 4")

    def test_no_hugepages_wanted(self):
        config = self.write("relay.ini", "[workers]\nhugepages = no\n")
        self.assertNotIn("hugepages", self.setup("-c", config))

    def features(self):
        return dict(re.findall(r"^\s*([\w-]+): (\w+)", run("ethtool", "-k", "up0"), re.MULTILINE))

    @unittest.skipUnless(shutil.which("ethtool"), "no ethtool")
    def test_coalescing(self):
        run("ethtool", "-K", "up0", "rx-udp-gro-forwarding", "off")
        self.assertIn("# ethtool -K up0 gro on rx-udp-gro-forwarding on\n", self.setup()["coalescing"])
        self.setup("--apply")
        self.assertEqual(self.features()["rx-udp-gro-forwarding"], "on")
        self.assertNotIn("coalescing", self.setup())
        # The interface of the address that the node listens on, not that of the default route.
        run("ip", "addr", "add", "198.51.100.1/24", "dev", "up1")
        run("ethtool", "-K", "up1", "gro", "off")
        config = self.write("relay.ini", "[port]\nlisten = 198.51.100.1:8090\n")
        self.assertIn("up1 hands over datagrams one by one", self.setup("-c", config)["coalescing"])

    def test_not_root(self):
        os.chmod(self.folder, 0o755)
        program = shutil.copy(PEEL, "/etc/sysctl.d/peel")  # where anybody can get at it
        items = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", program, "setup", "--apply"],
                               capture_output=True, text=True, check=False)
        self.assertEqual(items.returncode, 1)
        self.assertIn("only root can apply this: nothing was changed", items.stderr)
        self.assertIn("sysctl -w net.core.rmem_max", items.stdout)
        self.assertEqual(self.read(self.path("rmem")), "212992\n")

    def device(self, driver, interface="up0"):
        """A network card in /sys, as the kernel shows one, and a configuration for it."""
        run("mount", "-t", "tmpfs", "none", "/sys/bus")
        self.addCleanup(run, "umount", "/sys/bus")
        place = f"/sys/bus/pci/devices/{PCI}"
        os.makedirs(f"/sys/bus/pci/drivers/{driver}")
        os.makedirs(f"{place}/net/{interface}" if interface else place)
        os.symlink(f"../../drivers/{driver}", f"{place}/driver")
        return self.write("ethdev.ini", f"[port]\ndriver = ethdev\ndevice = {PCI[5:]}\naddress = 192.0.2.7/24\ngateway = "
                          "192.0.2.1\n[workers]\nhugepages = no\n")

    def test_card_of_the_default_route(self):
        config = self.device("ixgbe")
        for options in ((), ("--apply",)):
            items = self.setup("-c", config, *options)
            self.assertIn("default route leads through it: it stays there", items["card"])
            self.assertNotIn("#", items["card"])
        self.assertIn("no IOMMU", items["iommu"])
        self.assertIn("state UP", run("ip", "link", "show", "up0"))

    def test_card_of_the_session(self):
        config = self.device("ixgbe")
        run("ip", "route", "del", "default")
        items = self.setup("-c", config, "--apply", SSH_CONNECTION="198.51.100.9 40000 192.0.2.7 22")
        self.assertIn("SSH session comes through it: it stays there", items["card"])
        self.assertNotIn("#", items["card"])
        self.assertIn("state UP", run("ip", "link", "show", "up0"))
        # Somebody else's address is nobody's reason.
        items = self.setup("-c", config, SSH_CONNECTION="198.51.100.9 40000 198.51.100.1 22")
        self.assertIn(f"# modprobe vfio-pci\n\t# ip link set up0 down\n\t# dpdk-devbind.py --bind=vfio-pci {PCI}\n",
                      items["card"])

    def test_card_that_is_ready(self):
        self.assertNotIn("card", self.setup("-c", self.device("vfio-pci", None)))

    def test_card_shared_with_the_kernel(self):
        self.assertNotIn("card", self.setup("-c", self.device("mlx5_core")))


class Cpus(Setup):
    def test_workers(self):
        config = self.write("relay.ini", "[workers]\ncores = 0\nhugepages = no\n")
        with open("/sys/devices/system/cpu/isolated", encoding="ascii") as file:
            isolated = file.read().strip()
        self.assertEqual("isolation" in self.setup("-c", config), isolated == "")

    def test_engine(self):
        config = self.write("relay.ini", "[aead]\nengine = sodium\n[workers]\nhugepages = no\n")
        with open("/proc/cpuinfo", encoding="ascii") as file:
            better = " avx2 " in file.read()
        self.assertEqual("is faster on this CPU" in self.setup("-c", config).get("engine", ""), better)

    def test_open_files(self):
        config = self.write("relay.ini", "[tunnel]\nexit_bt = yes\n[exit]\nmax_sockets = 1000\n[workers]\nhugepages = no\n")
        for limit, said in (("2255", True), ("2256", False)):
            items = self.setup("-c", config, before=["prlimit", f"--nofile={limit}:{limit}"])
            self.assertEqual("open_files" in items, said)


if __name__ == "__main__":
    if not os.environ.get(INSIDE) and can_hide():
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--net", sys.executable, *sys.argv])
    PEEL = sys.argv.pop(1)
    unittest.main(verbosity=2)
