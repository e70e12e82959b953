"""A router forgets its mappings while packets flow, as after a restart, or as some do to every
mapping after a while: the same ports again, other ports, and another public address.

    alice ── router (A) ── internet ── router A ── bob
                              └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.roaming import Fast
from lab.warren import Coordinator, join

GAP_MS = 1000  # the bound is two seconds; twice what is seen on a quiet machine


def gap_of(stream, change, settle_s=1.5):
    since, lost = time.time(), stream.lost()
    change()
    time.sleep(settle_s)
    return 1e3 * stream.gap_s(since), stream.lost() - lost


def another_address(lab, home):
    """The provider gives another address: what was mapped to the old one leads nowhere."""
    site = home.site
    home.router.ip(f"addr add 198.51.{site}.77/24 dev wan")
    home.router.ip(f"addr del 198.51.{site}.2/24 dev wan")
    home.router.ip_batch([f"addr add 198.51.{site}.77/24 dev wan", f"route add default via 198.51.{site}.1"])


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord"))
    impair = "delay_ms=10"
    plain = lab.home("plain", "A", impair=impair)
    changing = lab.home("changing", "A", impair=impair, epoch=0)
    far = lab.home("far", "A", impair=impair)
    alice, carol, bob = join(lab, coord, plain.host("alice"), changing.host("carol"), far.host("bob"))
    found = {}
    for node in (alice, carol):
        node.reaches(bob)
        node.ping(bob, until_direct=True, timeout_s=15)
    for name, node, act in (("the same ports", alice, plain.forget_mappings),
                            ("other ports", carol, changing.forget_mappings),
                            ("other ports again", carol, changing.forget_mappings),
                            ("another public address", alice, lambda: another_address(lab, plain))):
        stream = Fast(node, bob)
        found[name] = gap_of(stream, act)
        wait_until(f"{name}: direct again", lambda n=node: (n.peer(bob) or {}).get("path") == "direct", 8)
        again = gap_of(stream, lambda: None, 0.5)
        stream.stop()
        print(f"{name}: {found[name][0]:.0f} ms without an answer, {found[name][1]} lost, later {again}")
    for name, (gap, _) in found.items():
        check(gap <= GAP_MS, f"{name}: {gap:.0f} ms without an answer")
