"""A relay added to a running network becomes the home of those it is near to, and only of those; what
flows by the old home meanwhile does not notice.

    alice ──┐                              ┌── coord (with relay, 30 ms away)
            ├── router B ── internet ──────┤
    bob ────┘ (5 ms)             │         └── near (a warren-relay, added later)
                             carol (40 ms from everybody)
"""

import time

from lab.command import check
from lab.warren import Coordinator, Relay, Stream, join


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=15"))
    home = lab.home("home", "B", impair="delay_ms=2.5")
    alice, carol = join(lab, coord, home.host("alice"), lab.server("carol", impair="delay_ms=20"))
    own = alice.wait_home_relay()["name"]
    check(own != "near", "a relay that is not there yet is somebody's home")
    for node, other in ((alice, carol), (carol, alice)):
        node.ctl("set", "path", other.name, "relay")
    alice.reaches(carol)
    stream = Stream(alice, carol)
    start, since = time.monotonic(), time.time()
    relay = Relay(coord, lab.server("near"), "near")
    latency = alice.wait_home_relay("near", 40)["latency_ms"]
    print(f"alice moved home {time.monotonic() - start:.1f} s after the relay was added")
    check(4 <= latency <= 20, f"near is said to be {latency} ms away, not about 5")
    carol.wait_home_relay("near", 40)
    alice.reaches(carol)
    check("near" in coord.admin("relay", "list").stdout, "relay list does not show it")
    time.sleep(2)
    print(f"moving home cost {stream.gap_s(since):.2f} s and {stream.lost()} packets")
    check(stream.gap_s(since) < 0.3 and stream.lost() <= 2, "moving home was noticed by what flows")
    stream.stop()
    coord.admin("relay", "remove", "near")
    alice.wait_home_relay(own, 40)
    relay.process.kill()
    alice.reaches(carol)
