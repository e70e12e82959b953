"""Homes whose routers map every flow, or every destination, anew: a home with an ordinary router is
reached directly all the same, by guessing the port. Between two of the hard ones only the relay is
left, and status says why.

    hard-b ── router B ──┬── internet ── router A ── easy
    hard-e ── router E ──┤        └── coord (with relay)
    other-b ─ router B ──┘
"""

import time

from lab.command import check, wait_until
from lab.warren import coordinator, join, transfer

DIRECT_MAX_S = 6  # 3072 probes at 1000 a second, and room


def connect(hard, easy):
    start = time.monotonic()
    check(hard.ping(easy, timeout_s=5), f"{hard.name} gets no answer")
    answered = time.monotonic()
    for node, other in ((hard, easy), (easy, hard)):
        peer = node.wait_path(other, "direct", DIRECT_MAX_S)
        check(peer["reason"] is None, f"a direct path with a reason: {peer}")
    print(f"{hard.name}: answer after {answered - start:.2f} s, direct {time.monotonic() - answered:.2f} s later")


def scenario(lab):
    coord = coordinator(lab)
    hosts = [lab.home(f"home-{name}", kind).host(name) for name, kind in
             (("easy", "A"), ("hard-b", "B"), ("hard-e", "E"), ("other-b", "B"))]
    easy, hard_b, hard_e, other_b = join(lab, coord, *hosts)
    connect(hard_b, easy)
    # A home relay's second port tells nothing of E: its address decides. So each is taken for hard in turn.
    connect(easy, hard_e)
    print(f"by the guessed port, {transfer(hard_b, easy):.0f} MiB/s")
    replies = hard_b.ping(easy, count=3)
    check(replies and all(kind == "direct" for kind, _, _ in replies), f"not direct: {replies}")

    other_b.reaches(hard_b)
    for node, other in ((other_b, hard_b), (hard_b, other_b)):
        wait_until(f"{node.name} says why {other.name} is relayed",
                   lambda n=node, o=other: (n.peer(o)["path"], n.peer(o)["reason"]) == ("relay", "mapping"), 10)

    # Who was told to use the relay and may go directly again does not wait for another time to guess.
    hard_b.ctl("set", "path", "easy", "relay")
    for node, other in ((hard_b, easy), (easy, hard_b)):
        wait_until(f"{node.name} is told", lambda n=node, o=other: n.peer(o)["reason"] == "forced", 5)
    hard_b.ctl("set", "path", "easy", "auto")
    start = time.monotonic()
    connect(hard_b, easy)
    check(time.monotonic() - start < DIRECT_MAX_S, "it took too long")
