# SPDX-License-Identifier: BSD-3-Clause
"""An hour of an overlay of py-ipv8 nodes: half of them with Peel as their endpoint, half with the stock one."""
