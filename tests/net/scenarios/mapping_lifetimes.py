"""Routers that forget soon: one ten seconds after the last packet, one every few seconds whatever
goes by. Quiet pairs stay direct behind the first, and a stream through the second hardly notices.

    alice ── router A, 10 s ─────────┐
    carol ── router A, 6 s at most ──┴─ internet ── router A ── bob
                                           └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.roaming import Fast
from lab.warren import Coordinator, join

LIFETIME_S = 10
QUIET_S = 12      # without a packet of the users'
ABSOLUTE_S = 6    # stands for the minute that some routers give
WATCH_S = 20
GAP_MS = 1000
LOST_MAX = 0.10   # of the packets; a quarter of a second every six


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord"))
    line = "delay_ms=10"
    short = lab.home("short", "A", impair=line, lifetime_s=LIFETIME_S)
    absolute = lab.home("absolute", "A", impair=line, epoch=0)
    far = lab.home("far", "A", impair=line)
    alice, carol, bob = join(lab, coord, short.host("alice"), absolute.host("carol"), far.host("bob"))
    for node in (alice, carol):
        node.reaches(bob)
        node.ping(bob, until_direct=True, timeout_s=15)

    absolute.forget_every(ABSOLUTE_S)
    stream = Fast(carol, bob)
    since = time.time()
    time.sleep(QUIET_S)
    out = bob.ns.run("ping", "-n", "-c", 3, "-i", "0.2", "-W", 2, alice.address()).stdout
    check("icmp_seq=1 " in out, f"the first packet after {QUIET_S} s was lost:\n{out}")
    check(bob.peer(alice)["path"] == "direct", "a quiet pair was not kept direct")
    time.sleep(WATCH_S - QUIET_S)
    sent = (time.time() - since) / Fast.INTERVAL_S
    gap, lost = 1e3 * stream.gap_s(since), stream.lost() / sent
    stream.stop()
    print(f"mappings of {ABSOLUTE_S} s: {gap:.0f} ms without an answer at most, {100 * lost:.1f} % lost")
    check(gap <= GAP_MS, f"{gap:.0f} ms without an answer when a mapping ended")
    check(lost <= LOST_MAX, f"{100 * lost:.1f} % lost")
    wait_until("direct in the end", lambda: carol.peer(bob)["path"] == "direct", 8)
