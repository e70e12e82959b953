"""The same over v6 alone, where routers never fragment: from the least a link may have.

    alice ── firewall ── internet (v6) ── firewall (MTU 1280 … 1500) ── bob
                            └── coord (with relay)
"""

from lab.command import check
from lab.underlay import Lines, fits, wait_mtu
from lab.warren import transfer

TIMEOUT_S = 180
V6_OVERHEAD = 80


def scenario(lab):
    lines = Lines(lab, "none", family=6)
    alice, bob = lines.alice, lines.bob
    for size in (1500, 1492, 1400, 1280):
        lines.narrow(size)
        lines.meet_anew()
        alice.reaches(bob)
        alice.ping(bob, until_direct=True, timeout_s=15)
        there, back = transfer(bob, alice, 1, 15), transfer(alice, bob, 1, 15)
        expected = max(1280, min(1420, size - V6_OVERHEAD))
        for node, other in ((alice, bob), (bob, alice)):
            wait_mtu(node, other, expected)
            for family in (4, 6):
                check(fits(node, other, expected, family),
                      f"{size}: {expected} do not get to {other.name} in v{family}")
        print(f"{size}: mtu {expected}; {there:.0f} and {back:.0f} MiB/s")
