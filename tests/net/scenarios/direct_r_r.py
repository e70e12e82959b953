"""Routers that take an early packet from outside for a connection of their own, which costs whoever
is behind them the port that everybody knows: every pair goes direct all the same, because nobody's
packet comes too early.

    node 0 to 2 ── router R each ──┐
    node 3 ── router A ────────────┼── internet ── coord (with relay)
    node 4 ── router without NAT ──┘
"""

import itertools
import time

from lab.command import check
from lab.warren import Coordinator, join

KINDS = ("R", "R", "R", "A", "none")
DIRECT_S = 5  # no second try is needed


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=5"))
    hosts = [lab.home(f"home{i}", kind, impair="delay_ms=5").host(f"node{i}")
             for i, kind in enumerate(KINDS)]
    nodes = join(lab, coord, *hosts)
    slowest = 0.0
    pairs = list(itertools.combinations(nodes, 2))
    for a, b in pairs:
        start = time.monotonic()
        replies = a.ping(b, until_direct=True, timeout_s=DIRECT_S)
        taken = time.monotonic() - start
        check(replies and replies[-1][0] == "direct", f"{a.name} to {b.name}: not direct within {DIRECT_S} s")
        check(b.wait_path(a, "direct", DIRECT_S)["reason"] is None, "a direct path with a reason")
        slowest = max(slowest, taken)
    print(f"{len(pairs)} pairs direct, the slowest after {slowest:.2f} s")
