# SPDX-License-Identifier: BSD-3-Clause
"""An emulated machine that runs `peel relay` and nothing else, with the calls of any other relay."""

import asyncio
import json
import os
import subprocess

from interop.peelproc import PeelNode

CARD = "0000:00:02.0"
# Vendor and device of an Intel 82574, and the driver it must have.
EXPECTED = [CARD, "0x8086:0x10d3", "vfio-pci"]


class PeelMachine(PeelNode):
    """`tap` is the interface that the network card is plugged into. The image is added to, so it serves once."""

    def __init__(self, ip, port, flags, walk_to, kernel, image, tap, overrides):
        # A worker that polls would take a processor from the emulator all the time.
        inside = {"node": {"key": "/etc/peel/key.pem", "management": ""},
                  "workers": {"hugepages": True, "idle": "sleep"}}
        super().__init__(ip, port, flags, walk_to, overrides={**overrides, **inside}, name="emulated peel")
        self.kernel, self.image, self.tap = kernel, image, tap
        self.card = []

    async def start(self, timeout=150.0):
        self._add_files()
        command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64",
                   "-accel", "tcg,thread=multi,tb-size=128", "-machine", "q35", "-cpu", "max", "-smp", "2",
                   "-m", "640", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                   # Without interrupt remapping vfio refuses to hand out a device.
                   "-device", "intel-iommu,intremap=on,caching-mode=on",
                   "-netdev", f"tap,ifname={self.tap},script=no,downscript=no,id=net",
                   "-device", "e1000e,netdev=net,addr=02.0,mac=02:99:00:00:00:01,romfile=",
                   "-chardev", f"file,path={self.log_path},id=console", "-serial", "chardev:console",
                   "-chardev", "stdio,signal=off,id=control", "-serial", "chardev:control",
                   "-kernel", self.kernel, "-initrd", self.image,
                   "-append", "console=ttyS0 quiet panic=-1 intel_iommu=on hugepages=96 mitigations=off "
                              "tsc=reliable"]
        self.process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22)
        try:
            self.card = (await self._expect("card ", timeout)).split()
            await self._expect("ready ", timeout)
        except BaseException:
            await self.kill()
            raise
        return self

    def _add_files(self):
        """Configuration and key go into a second archive behind the first: the kernel unpacks both."""
        root = os.path.join(self.directory.name, "root")
        names = ["etc", "etc/peel", "etc/peel/key.pem", "etc/peel/relay.ini"]
        os.makedirs(f"{root}/etc/peel")
        for name in names[2:]:
            os.rename(os.path.join(self.directory.name, os.path.basename(name)), f"{root}/{name}")
        with open(self.image, "ab") as image:
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=root, stdout=image,
                           input="\n".join(names).encode(), check=True)

    async def _line(self, timeout):
        try:
            line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
        except TimeoutError:
            raise TimeoutError(f"the machine says nothing\n{self.log_tail()}") from None
        if not line:
            raise RuntimeError(f"the machine is gone\n{self.log_tail()}")
        return line.decode(errors="replace").strip()

    async def _expect(self, start, timeout):
        line = await self._line(timeout)
        if not line.startswith(start):
            raise RuntimeError(f"{start!r} was expected, not {line!r}\n{self.log_tail()}")
        return line[len(start):]

    async def status(self, timeout=20.0):
        self.process.stdin.write(b"status\n")
        return json.loads(await self._line(timeout))

    async def stop(self, timeout=30.0):
        """Peel ends in order, then the machine turns itself off."""
        if not self.alive():
            return None
        try:
            self.process.stdin.write(b"stop\n")
            code = int(await self._expect("ended ", timeout))
            await asyncio.wait_for(self.process.wait(), timeout)
        finally:
            await self.kill()
        if code or self.process.returncode:
            raise RuntimeError(f"peel ended with {code}, the machine with {self.process.returncode}\n"
                               f"{self.log_tail()}")
        return code
