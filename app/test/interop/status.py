# SPDX-License-Identifier: BSD-3-Clause
"""Reading the status object of a Peel."""


def flatten(status):
    """All numbers of a nested status object by their own name; equal names in different places add up."""
    numbers = {}

    def walk(value):
        if isinstance(value, dict):
            for name, inner in value.items():
                if isinstance(inner, (int, float)) and not isinstance(inner, bool):
                    numbers[name] = numbers.get(name, 0) + inner
                else:
                    walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(status)
    return numbers


def counters(status):
    """The counter table, name -> value."""
    return flatten(status["counters"])


def cells_switched(table):
    """Cells this relay took from one side and passed to another."""
    return sum(table.get(name, 0) for name in ("cells_forward", "cells_backward", "cells_rendezvous",
                                               "cells_exited", "cells_returned"))


def drops(table):
    """Reason -> count, of the reasons that occurred."""
    return {name[5:]: value for name, value in table.items() if name.startswith("drop_") and value}
