# SPDX-License-Identifier: BSD-3-Clause
"""Peel among unmodified py-ipv8 and Rust-endpoint peers: nodes, echo servers, worlds and scenarios."""
