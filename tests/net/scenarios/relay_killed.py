"""The relay that carries a conversation dies: another takes over.

    alice ── router B ── internet ── router B ── bob
                            ├── coord (with relay, 40 ms away)
                            └── near (a warren-relay, killed)
"""

import time

from lab.command import check
from lab.warren import Coordinator, Relay, Stream, join

LIMIT_S = 1.0  # 0.5 is the aim, on a machine that does nothing else


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=20"))
    near = Relay(coord, lab.server("near"), "near")
    alice, bob = join(lab, coord, lab.home("home1", "B").host("alice"),
                      lab.home("home2", "B").host("bob"))
    alice.wait_home_relay("near", 30)
    bob.wait_home_relay("near", 30)
    alice.reaches(bob)
    check(alice.wait_path(bob, "relay")["relay"] == "near", "not by the near relay")
    stream = Stream(alice, bob)
    since = time.time()
    near.process.kill()
    time.sleep(6)
    gap = stream.gap_s(since)
    print(f"the longest gap was {gap:.2f} s")
    check(gap < LIMIT_S, f"{gap:.2f} s without an answer after the relay died")
    peer = alice.wait_path(bob, "relay")
    check(peer["relay"] and peer["relay"] != "near", f"status still names the dead relay: {peer}")
    stream.stop()
