"""Lines of every size and no ICMP from anybody: the path's MTU is found, and everything gets there.

    alice ── router ── internet ── router (MTU 1100 … 1500) ── bob
                          └── coord (with relay)
"""

import time

from lab.command import check
from lab.underlay import Lines, fits, wait_mtu
from lab.warren import transfer

TIMEOUT_S = 180
V4_OVERHEAD = 60


def scenario(lab):
    lines = Lines(lab, "none")
    alice, bob = lines.alice, lines.bob
    for size in (1500, 1492, 1400, 1280, 1100):
        lines.narrow(size)
        lines.meet_anew()
        alice.reaches(bob)
        alice.ping(bob, until_direct=True, timeout_s=15)
        start = time.monotonic()
        there, back = transfer(bob, alice, 1, 15), transfer(alice, bob, 1, 15)
        seconds = time.monotonic() - start
        expected = max(1280, min(1420, size - V4_OVERHEAD))
        for node, other in ((alice, bob), (bob, alice)):
            wait_mtu(node, other, expected)
            check(fits(node, other, expected), f"{size}: {expected} do not get to {other.name}")
            check(not fits(node, other, expected + 1), f"{size}: {expected + 1} get to {other.name}")
        check(seconds < 8, f"{size}: 1 MiB there and back took {seconds:.1f} s")
        print(f"{size}: mtu {expected}; {there:.0f} and {back:.0f} MiB/s")
