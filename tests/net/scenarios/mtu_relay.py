"""The same by relay, whose header counts too, between two homes that cannot meet.

    alice ── router B ── internet ── router B (MTU 1100 … 1500) ── bob
                            └── coord (with relay)
"""

from lab.command import check
from lab.underlay import Lines, fits, wait_mtu
from lab.warren import transfer

TIMEOUT_S = 180
V4_OVERHEAD = 64


def scenario(lab):
    lines = Lines(lab, "B")
    alice, bob = lines.alice, lines.bob
    for size in (1500, 1400, 1280, 1100):
        lines.narrow(size)
        lines.meet_anew()
        alice.reaches(bob)
        alice.wait_path(bob, "relay")
        there, back = transfer(bob, alice, 1, 20), transfer(alice, bob, 1, 20)
        # The relay may fragment what it passes on, so the far line does not count for alice.
        wait_mtu(bob, alice, max(1280, min(1420, size - V4_OVERHEAD)))
        for node, other in ((alice, bob), (bob, alice)):
            mtu = node.peer(other)["mtu"]
            check(1280 <= mtu <= 1420, f"{size}: {node.name} has mtu {mtu}")
            check(fits(node, other, mtu), f"{size}: {mtu} do not get to {other.name}")
        print(f"{size}: mtu {alice.peer(bob)['mtu']} to bob, {bob.peer(alice)['mtu']} back; "
              f"{there:.0f} and {back:.0f} MiB/s")
