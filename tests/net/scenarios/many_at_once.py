"""Twelve nodes on one fast network join at once, and every first contact works at once.

    coord (with relay) ── internet ── many (twelve daemons on one machine)
"""

import time

from lab.command import check
from lab.warren import Node, coordinator

COUNT = 12
FIRST_CONTACT_MAX_S = 3.0  # below the retry of a handshake, which nothing here may need


def scenario(lab):
    coord = coordinator(lab)
    machine = lab.server("many")
    token = coord.key("--group", "trusted", "--reusable")
    nodes = [Node(lab, machine, f"m{i}") for i in range(COUNT)]
    for node in nodes:
        node.up(token)
    for node in nodes[:4]:
        node.wait_peer(nodes[-1])
        for other in nodes:
            if other is node:
                continue
            start = time.monotonic()
            check(node.ping(other), f"{node.name} does not reach {other.name}")
            taken = time.monotonic() - start
            check(taken < FIRST_CONTACT_MAX_S,
                  f"first contact of {node.name} with {other.name} took {taken:.1f} s")
