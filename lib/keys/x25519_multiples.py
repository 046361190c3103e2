#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the constants of x25519_lanes.c: X25519's base point B, and its multiples by powers of two.

RFC 7748: v^2 = u^3 + 486662 u^2 + u over 2^255 - 19; B has u = 9. S is the point of order 4 with u = 1.
"""

import sys

P = 2**255 - 19
A = 486662
POWERS = 252


def inverse(x):
    return pow(x, P - 2, P)


def double(u):
    """u of 2Q from u of Q."""
    return (u * u - 1) ** 2 * inverse(4 * u * (u * u + A * u + 1)) % P


def root(x):
    y = pow(x, (P + 3) // 8, P)
    if y * y % P != x % P:
        y = y * pow(2, (P - 1) // 4, P) % P
    assert y * y % P == x % P
    return y


def base_minus_s():
    """u of B - S. Whether it is that or B + S does not matter: -S has the same u and order."""
    v = root(9**3 + A * 9**2 + 9)
    slope = (v - root(A + 2)) * inverse(9 - 1)
    return (slope * slope - A - 9 - 1) % P


def limbs(x):
    return ", ".join(f"{x >> 52 * i & 2**52 - 1:#x}" for i in range(5))


def main():
    lines = [
        "/* Made by x25519_multiples.py. */",
        f"#define BASE_POWERS {POWERS}",
        "/* u of B - S */",
        f"static const uint64_t base_minus_s[5] = {{{limbs(base_minus_s())}}};",
        "/* (u + 1) / (u - 1) of 2^i B */",
        "static const uint64_t base_power[BASE_POWERS][5] = {",
    ]
    u = 9
    for _ in range(POWERS):
        lines.append(f"\t{{{limbs((u + 1) * inverse(u - 1) % P)}}},")
        u = double(u)
    lines.append("};\n")
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("\n".join(lines))


if __name__ == "__main__":
    main()
