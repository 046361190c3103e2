# SPDX-License-Identifier: BSD-3-Clause
"""What the kernel says about a process: CPU time and memory."""

import os
import subprocess

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    """User and system time of all threads of a process."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        # The command in parentheses may hold spaces: count the fields after it.
        fields = stat.read().rsplit(b")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm", "rb") as statm:
        return int(statm.read().split()[1]) * _PAGE


def cpu_nanoseconds(pid):
    """The same as cpu_seconds, exact to the nanosecond, for the threads that exist now."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as stat:
            total += int(stat.read().split()[0])
    return total


def end_all(processes):
    """Terminate them all; kill what does not end within five seconds."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
