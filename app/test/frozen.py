# SPDX-License-Identifier: BSD-3-Clause
"""A thread of another process that does not move (root only)."""

import contextlib
import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


def _ptrace(request, thread):
    if ctypes.CDLL(None, use_errno=True).ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {thread}")


@contextlib.contextmanager
def frozen(thread):
    """All other threads of its process go on. Gives a function that tells whether the thread has been killed; a process
    does not end before that was asked."""
    ended = False

    def killed():
        nonlocal ended
        ended = ended or os.waitpid(thread, WALL | os.WNOHANG)[0] == thread
        return ended

    _ptrace(PTRACE_SEIZE, thread)
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield killed
    finally:
        if not ended:
            _ptrace(PTRACE_DETACH, thread)
