"""A firewall that lets STUN through and drops WireGuard: the path answers checks and carries nothing.

    alice ── router A ── internet (drops WireGuard between the homes) ── router A ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import Stream, two_homes

LIMIT_S = 2
# The types of WireGuard's messages, in the first word of the payload.
BLOCK = """table ip broken {
    chain forward {
        type filter hook forward priority 0;
        %s udp length > 8 @th,64,32 { 0x01000000, 0x02000000, 0x03000000, 0x04000000 } drop
    }
}
"""
BOTH = "ip saddr { 198.51.2.2, 198.51.3.2 } ip daddr { 198.51.2.2, 198.51.3.2 }"
FROM_BOB = "ip saddr 198.51.3.2 ip daddr 198.51.2.2"


def blocked(lab, alice, bob, stream, which):
    """Direct, then blocked: by relay within LIMIT_S, with the true reason, until it is lifted."""
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    time.sleep(1)
    since = time.time()
    lab.internet.nft(BLOCK % which)
    time.sleep(2)
    gap = stream.gap_s(since)
    check(gap < LIMIT_S, f"{gap:.2f} s without an answer after WireGuard was dropped")
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "relay")
        check(peer["reason"] == "egress-blocked", f"the reason is {peer['reason']}")
    changes = alice.process.log().count("path peer=bob")
    time.sleep(2)
    check(alice.process.log().count("path peer=bob") == changes, "the path flaps while it is blocked")
    check(stream.gap_s(since + gap + 1) < 0.5, "the relay does not carry it")
    lab.internet.run("nft", "delete", "table", "ip", "broken")
    start = time.time()
    wait_until("direct again", lambda: alice.peer(bob)["path"] == "direct", 30)
    return gap, time.time() - start


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    stream = Stream(alice, bob)
    for title, which in (("both ways", BOTH), ("one way", FROM_BOB)):
        gap, back = blocked(lab, alice, bob, stream, which)
        print(f"{title}: {gap:.2f} s until the relay carried it, direct {back:.1f} s after it was lifted")
    stream.stop()
