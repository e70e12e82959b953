"""One home has v6 only, the other v4 only: the relay speaks both and stands between.

    alice ── firewall ── internet (v6) ─┐
                                        coord (with relay; v4 and v6, known by name)
    bob ── router A ──── internet (v4) ─┘
"""

from lab.command import check
from lab.warren import Coordinator, join, transfer

NAME = "coord.example"


def scenario(lab):
    server = lab.server("coord")
    # This scenario has mounts of its own, so the host's file stays as it is.
    with open("/run/hosts", "w", encoding="ascii") as hosts:
        hosts.write(f"127.0.0.1 localhost\n{server.address(4)} {NAME}\n{server.address(6)} {NAME}\n")
    lab.mount_file("/run/hosts", "/etc/hosts")
    coord = Coordinator(lab, server, public=NAME)
    alice, bob = join(lab, coord, lab.home("home1", "none", v4=False, v6=True).host("alice"),
                      lab.home("home2", "A", v6=False).host("bob"))
    alice.reaches(bob)
    bob.reaches(alice)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "relay")
        check(peer["reason"], f"{node.name}: no reason for the relay: {peer}")
    print(f"v6 to v4 by relay, {transfer(alice, bob):.0f} MiB/s")
