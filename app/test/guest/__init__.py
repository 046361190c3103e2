# SPDX-License-Identifier: BSD-3-Clause
"""Peel on an emulated machine, with a real driver for a real PCI network card."""
