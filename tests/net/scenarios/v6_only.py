"""An internet without v4: coordinator, relay and both homes speak v6 only; firewalls are stateful.

    alice ── firewall ── internet (v6) ── firewall ── bob
                            └── coord (with relay)
"""

from lab.command import check
from lab.warren import Coordinator, join, transfer


def scenario(lab):
    server = lab.server("coord", v4=False)
    coord = Coordinator(lab, server, public=f"[{server.address(6)}]")
    alice, bob = join(lab, coord, lab.home("home1", "none", v4=False, v6=True).host("alice"),
                      lab.home("home2", "none", v4=False, v6=True).host("bob"))
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "direct")
        check(peer["endpoint"].startswith("[2001:db8:"), f"{node.name}: direct to {peer['endpoint']}")
    check(alice.ns.ping(bob.address(6)), "the v6 overlay address does not answer")
    print(f"direct over v6, {transfer(alice, bob):.0f} MiB/s")
