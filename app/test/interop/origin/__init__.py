# SPDX-License-Identifier: BSD-3-Clause
"""Peel's own circuits: libpeel as the originator among relays of all kinds."""
