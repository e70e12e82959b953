"""Two machines in one home talk over its LAN, not around by the router or the relay.

    alice ─┐
           ├── router B ── internet ── coord (with relay)
    bob  ──┘
"""

from lab.command import check
from lab.warren import coordinator, join


def scenario(lab):
    coord = coordinator(lab)
    home = lab.home("home", "B")
    alice, bob = join(lab, coord, home.host("alice"), home.host("bob"))
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "direct")
        inside = other.ns.address(4, "eth0")
        check(peer["endpoint"].startswith(inside + ":"), f"{node.name}: {peer['endpoint']}, not {inside}")
    # The wire to the provider may be cut: nothing of the path uses it.
    home.router.ip("link set wan down")
    check(alice.ns.ping(bob.address(), count=5), "the LAN path does not work without the internet")
