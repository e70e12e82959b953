"""Both homes use the same private network and both machines the same address in it.

    alice 192.168.7.10 ── router A ── internet ── router A ── bob 192.168.7.10
                                         └── coord (with relay)
"""

from lab.command import check
from lab.warren import transfer, two_homes


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A", lan="192.168.7")
    check(alice.ns.address(4, "eth0") == bob.ns.address(4, "eth0"), "the lab gave different addresses")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "direct")
        check(not peer["endpoint"].startswith("192.168.7."), f"{node.name} took itself for {other.name}")
    print(f"direct, {transfer(alice, bob):.0f} MiB/s")
