"""A relay added to a running network becomes the home of those it is near to, and only of those.

    alice ──┐                              ┌── coord (with relay, 30 ms away)
            ├── router B ── internet ──────┤
    bob ────┘ (5 ms)             │         └── near (a warren-relay, added later)
                             carol (40 ms from everybody)
"""

import time

from lab.command import check
from lab.warren import Coordinator, Relay, join


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=15"))
    home = lab.home("home", "B", impair="delay_ms=2.5")
    alice, carol = join(lab, coord, home.host("alice"), lab.server("carol", impair="delay_ms=20"))
    own = alice.wait_home_relay()["name"]
    check(own != "near", "a relay that is not there yet is somebody's home")
    start = time.monotonic()
    relay = Relay(coord, lab.server("near"), "near")
    latency = alice.wait_home_relay("near", 40)["latency_ms"]
    print(f"alice moved home {time.monotonic() - start:.1f} s after the relay was added")
    check(4 <= latency <= 20, f"near is said to be {latency} ms away, not about 5")
    carol.wait_home_relay("near", 40)
    alice.reaches(carol)
    check("near" in coord.admin("relay", "list").stdout, "relay list does not show it")
    coord.admin("relay", "remove", "near")
    alice.wait_home_relay(own, 40)
    relay.process.kill()
    alice.reaches(carol)
