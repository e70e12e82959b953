"""A network that blocks UDP: control channel and relay by TLS on 443; the other side has UDP.

    alice ── router U ── internet ── router A ── bob
                            └── coord (with relay)
"""

from lab.command import check
from lab.warren import transfer, two_homes


def scenario(lab):
    _, alice, bob = two_homes(lab, "U", "A")
    alice.reaches(bob)
    bob.reaches(alice)
    peer = alice.wait_path(bob, "relay")
    check(peer["reason"] == "udp-blocked", f"the reason is {peer['reason']}, not udp-blocked")
    check(alice.wait_home_relay()["transport"] != "udp", "the home relay is said to speak UDP")
    check(bob.wait_home_relay()["transport"] == "udp", "bob's relay does not speak UDP")
    print(f"by TLS relay, {transfer(alice, bob):.0f} MiB/s")
