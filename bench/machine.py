# SPDX-License-Identifier: BSD-3-Clause
"""Facts about the machine that belong beside every figure."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

# Of the CPU's flags, those that decide which code runs, or how well time is measured.
FLAGS = ("ssse3", "avx", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512ifma", "vaes", "vpclmulqdq", "gfni", "bmi2", "adx",
         "constant_tsc", "nonstop_tsc", "tsc_known_freq", "pdpe1gb", "hypervisor")


def _read(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _field(text, name):
    found = re.search(rf"^{re.escape(name)}\s*[:=]\s*(.*)$", text, re.MULTILINE)
    return found.group(1).strip().strip('"') if found else None


def _kilobytes(meminfo, name):
    found = _field(meminfo, name)
    return int(found.split()[0]) if found else 0


def cpu_times():
    """(stolen, all) ticks of all CPUs since start."""
    line = _read("/proc/stat").split("\n", 1)[0].split()
    ticks = [int(t) for t in line[1:9]]
    return (ticks[7], sum(ticks)) if len(ticks) == 8 else (0, 0)


def _hugepages():
    pools = {}
    for pool in sorted(pathlib.Path("/sys/kernel/mm/hugepages").glob("hugepages-*")):
        pools[pool.name.removeprefix("hugepages-")] = {
            name: int(_read(pool / f"{name}_hugepages") or 0) for name in ("nr", "free")}
    return pools


def _revision(root):
    revision = _output("git", "-C", str(root), "rev-parse", "--short=12", "HEAD")
    if revision and _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"):
        revision += " with changes"
    return revision


def before(root):
    """What is known when a run starts."""
    cpuinfo, meminfo = _read("/proc/cpuinfo"), _read("/proc/meminfo")
    flags = set((_field(cpuinfo, "flags") or "").split())
    thp = re.search(r"\[(\w+)\]", _read("/sys/kernel/mm/transparent_hugepage/enabled"))
    stolen, ticks = cpu_times()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "revision": _revision(root),
        "cpu": _field(cpuinfo, "model name") or platform.machine(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "cores": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_mb": _kilobytes(meminfo, "MemTotal") // 1024,
        "memory_available_mb": _kilobytes(meminfo, "MemAvailable") // 1024,
        "hugepages": _hugepages(),
        "transparent_hugepages": thp.group(1) if thp else None,
        "kernel": platform.release(),
        "kernel_arguments": " ".join(a for a in _read("/proc/cmdline").split()
                                     if a.startswith(("isolcpus", "nohz_full", "mitigations", "hugepages"))),
        "system": _field(_read("/etc/os-release"), "PRETTY_NAME"),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or None,
        "dpdk": _output("pkg-config", "--modversion", "libdpdk"),
        "load_before": list(os.getloadavg()),
        "steal_ticks_before": stolen,
        "ticks_before": ticks,
    }


def after(facts):
    """The same, once it has ended: the share of CPU time that the hypervisor gave to others meanwhile."""
    stolen, ticks = cpu_times()
    passed = ticks - facts["ticks_before"]
    return facts | {
        "load_after": list(os.getloadavg()),
        "steal_ticks_after": stolen,
        "ticks_after": ticks,
        "steal_percent": round(100 * (stolen - facts["steal_ticks_before"]) / passed, 2) if passed > 0 else 0.0,
    }
