"""Debian's coturn is the only relay, and carries what cannot go directly.

    alice ── router B ──┐              ┌── coord (without a relay)
    bob   ── router B ──┤              │
                        ├── internet ──┤
    carol ── router U ──┤              └── turn (coturn: UDP, TCP, TLS)
    dave  ── router U ──┘
"""

from lab.command import check
from lab.turn import Coturn
from lab.warren import Coordinator, join, transfer


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord"), options=["--no-relay"])
    turn = Coturn(coord, lab.server("turn"))
    alice, bob = join(lab, coord, lab.home("home1", "B").host("alice"),
                      lab.home("home2", "B").host("bob"))
    check(alice.wait_home_relay("turn")["transport"] == "udp", "not by UDP")
    alice.reaches(bob)
    peer = alice.wait_path(bob, "relay")
    check(peer["relay"] == "turn", f"the path is said to be by {peer['relay']}")
    print(f"by UDP, {transfer(alice, bob):.0f} MiB/s; {alice.ping(bob)}")
