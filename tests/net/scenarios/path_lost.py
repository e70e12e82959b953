"""A direct path dies without a word: the relay takes over at once, and direct comes back later.

    alice ── router A ── internet (drops UDP between the homes) ── router A ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check
from lab.warren import Stream, two_homes

LIMIT_S = 0.8  # 0.4 at 40 ms is the aim, on a machine that does nothing else

BLOCK = """table ip broken {
    chain forward {
        type filter hook forward priority 0;
        ip saddr { 198.51.2.2, 198.51.3.2 } ip daddr { 198.51.2.2, 198.51.3.2 } meta l4proto udp drop
    }
}
"""


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    stream = Stream(alice, bob)
    since = time.time()
    lab.internet.nft(BLOCK)
    time.sleep(4)
    gap = stream.gap_s(since)
    print(f"{gap:.2f} s until the relay carried it")
    check(gap < LIMIT_S, f"{gap:.2f} s without an answer after the direct path died")
    check(alice.wait_path(bob, "relay")["reason"], "no reason for the relay")
    lab.internet.run("nft", "delete", "table", "ip", "broken")
    alice.wait_path(bob, "direct", 60)
    stream.stop()
