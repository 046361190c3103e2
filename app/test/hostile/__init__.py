# SPDX-License-Identifier: BSD-3-Clause
"""What strangers and bad days do to a real node: each module has a list CASES of (name, coroutine function)."""
