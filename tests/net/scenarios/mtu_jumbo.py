"""Links of 9000 end to end are used as such; a part of 1500 on the way is found.

    alice (9000) ── router ── internet ── router (MTU 9000, then 1500) ── bob (9000)
                                 └── coord (with relay)
"""

from lab.command import check
from lab.underlay import Lines, fits, wait_mtu
from lab.warren import transfer

TIMEOUT_S = 120


def scenario(lab):
    lines = Lines(lab, "none", lan=9000)
    alice, bob = lines.alice, lines.bob
    for size, expected in ((9000, 8920), (1500, 1440), (1100, 1280)):
        lines.narrow(size)
        lines.meet_anew()
        alice.reaches(bob)
        alice.ping(bob, until_direct=True, timeout_s=15)
        there, back = transfer(bob, alice, 1, 15), transfer(alice, bob, 1, 15)
        for node, other in ((alice, bob), (bob, alice)):
            wait_mtu(node, other, expected, 10)
            check(fits(node, other, expected), f"{size}: {expected} do not get to {other.name}")
        print(f"{size}: mtu {expected}; {there:.0f} and {back:.0f} MiB/s")
