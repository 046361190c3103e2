# SPDX-License-Identifier: BSD-3-Clause
"""What was lost, by whom and on which way, and whether one kind of client loses more than the other.

Nodes that leave take datagrams with them, about 25 seconds of those of a circuit, until py-ipv8 gives it up: that is so
for every client. So losses on a way whose hops all stayed are counted apart (`without cause`): of these there should be
next to none. And since losses come in lumps, a kind is worse only if its share is larger by more than three standard
errors of the mean difference of the same minutes, in which the same nodes left, and by more than `FLOOR`, which a lump
or two make.
"""

import statistics
from collections import Counter, defaultdict

FLOOR = 0.005  # of all requests
CAUSELESS_FLOOR = 0.001
ERRORS = 3


class Ledger:
    """`kinds`: of each node by its short name; `died`: when it left, if it did. Times are of time.monotonic()."""

    def __init__(self, limit):
        self.limit = limit  # seconds until a request counts as lost
        self.kinds, self.died = {}, {}
        self.answered = defaultdict(Counter)  # (client kind, what, minute): path: count
        self.lost = []  # (client kind, what, path, time)
        self.odd = Counter()

    def add(self, kind, taken):
        for what, path, minute, count in taken["answered"]:
            self.answered[(kind, what, minute)][path] += count
        self.lost += [(kind, what, path, sent) for what, path, sent in taken["lost"]]
        self.odd[kind] += taken["odd"]

    def mix(self, path):
        """Such as "peel stock": kinds of the hops, the exit last."""
        return " ".join(self.kinds.get(hop, "?") for hop in path.split()) or "unknown"

    def has_cause(self, path, sent):
        """A hop left before the answer was due, or the way is not known: there was no circuit, or it changed meanwhile."""
        return not path or any(self.died.get(hop, float("inf")) <= sent + self.limit for hop in path.split())

    def table(self, what, by):
        """{row: (sent, lost, lost without cause)}; by(kind, what, path) is the row."""
        rows = defaultdict(lambda: [0, 0, 0])
        for (kind, name, _), paths in self.answered.items():
            if name.startswith(what):
                for path, count in paths.items():
                    rows[by(kind, name, path)][0] += count
        for kind, name, path, sent in self.lost:
            if name.startswith(what):
                row = rows[by(kind, name, path)]
                row[0] += 1
                row[1] += 1
                row[2] += not self.has_cause(path, sent)
        return {key: tuple(row) for key, row in sorted(rows.items())}

    def minutes(self):
        """For a closer look: {what, client kind: {minute: (sent, lost)}}, from the first minute on."""
        whats = sorted({what for _, what, _ in self.answered} | {what for _, what, _, _ in self.lost})
        first = min((minute for _, _, minute in self.answered), default=0)
        return {f"{kind}, {what}": {minute - first: tuple(counts) for minute, counts in sorted(minutes.items())}
                for what in whats for kind, minutes in self.by_minute(what, False).items()}

    def by_minute(self, what, only_causeless):
        """{kind: {minute: (sent, lost)}}"""
        minutes = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        for (kind, name, minute), paths in self.answered.items():
            if name.startswith(what):
                minutes[kind][minute][0] += sum(paths.values())
        for kind, name, path, sent in self.lost:
            if name.startswith(what):
                entry = minutes[kind][int(sent // 60)]
                entry[0] += 1
                entry[1] += not only_causeless or not self.has_cause(path, sent)
        return minutes


def share(lost, sent):
    return lost / sent if sent else 0.0


def compare(minutes, kind, other, floor):
    """(share of `kind`, share of `other`, what is still no worse), of the minutes in which both were there."""
    both = sorted(set(minutes[kind]) & set(minutes[other]))
    differences = [share(minutes[kind][m][1], minutes[kind][m][0]) - share(minutes[other][m][1], minutes[other][m][0])
                   for m in both]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    shares = []
    for name in (kind, other):
        sent, lost = (sum(minutes[name][m][i] for m in both) for i in (0, 1))
        shares.append(share(lost, sent))
    return shares[0], shares[1], shares[1] + max(floor, ERRORS * error)
