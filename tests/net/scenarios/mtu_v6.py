"""The same over v6 alone, where routers never fragment: from the least a link may have.

    alice ── firewall ── internet (v6) ── firewall (MTU 1280 … 1500) ── bob
                            └── coord (with relay)
"""

from lab.command import check, wait_until
from lab.underlay import Lines, fits, wait_mtu
from lab.warren import transfer

TIMEOUT_S = 180
V6_OVERHEAD = 80


def fetch_v6(node, other):
    """1 MiB by TCP over the v6 addresses inside."""
    got = node.ns.start(f"got-{node.name}", "iperf3", "-s", "-1", "-p", "5302")
    wait_until("iperf3 listens", lambda: "5302" in node.ns.run("ss", "-tln").stdout)
    other.ns.run("iperf3", "-6", "-c", node.address(6), "-p", "5302", "-n", "1M", timeout_s=10)
    got.wait(5)


def scenario(lab):
    lines = Lines(lab, "none", family=6)
    alice, bob = lines.alice, lines.bob
    for size in (1500, 1492, 1400, 1280):
        lines.narrow(size)
        lines.meet_anew()
        alice.reaches(bob)
        alice.ping(bob, until_direct=True, timeout_s=15)
        there, back = transfer(bob, alice, 1, 15), transfer(alice, bob, 1, 15)
        fetch_v6(alice, bob)
        expected = min(1420, size - V6_OVERHEAD)
        for node, other in ((alice, bob), (bob, alice)):
            wait_mtu(node, other, expected)
            # On the narrowest links v6 inside is for TCP alone.
            for family in (4, 6) if expected >= 1280 else (4,):
                check(fits(node, other, expected, family),
                      f"{size}: {expected} do not get to {other.name} in v{family}")
        print(f"{size}: mtu {expected}; {there:.0f} and {back:.0f} MiB/s")
