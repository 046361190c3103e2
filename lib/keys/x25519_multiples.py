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


def limbs(x, at):
    ends = at[1:] + [256]
    return ", ".join(f"{(x >> begin) % 2 ** (end - begin):#x}" for begin, end in zip(at, ends))


def table(at, powers):
    """The constants in limbs that begin at these bits."""
    return [
        "/* u of B - S */",
        f"static const uint64_t base_minus_s[{len(at)}] = {{{limbs(base_minus_s(), at)}}};",
        "/* (u + 1) / (u - 1) of 2^i B */",
        f"static const uint64_t base_power[BASE_POWERS][{len(at)}] = {{",
        *(f"\t{{{limbs(x, at)}}}," for x in powers),
        "};",
    ]


def main():
    powers = []
    u = 9
    for _ in range(POWERS):
        powers.append((u + 1) * inverse(u - 1) % P)
        u = double(u)
    lines = [
        "/* Made by x25519_multiples.py. */",
        f"#define BASE_POWERS {POWERS}",
        "#ifdef X25519_TEN_LIMBS",
        *table([(51 * i + 1) // 2 for i in range(10)], powers),
        "#else",
        *table([52 * i for i in range(5)], powers),
        "#endif",
        "",
    ]
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("\n".join(lines))


if __name__ == "__main__":
    main()
