"""The coordinator is killed and restarted under traffic: nobody who talks notices.

    alice ── router A ── internet ── router A ── bob
                            ├── coord (with relay; killed)
                            ├── other (a warren-relay)
                            └── carol (joins afterwards)
"""

import time

from lab.command import check
from lab.warren import Node, Relay, Stream, two_homes


def scenario(lab):
    coord, alice, bob = two_homes(lab, "A", "A")
    Relay(coord, lab.server("other"), "other")
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    bob.wait_path(alice, "direct")
    stream = Stream(alice, bob)
    since = time.time()
    coord.process.kill()
    time.sleep(3)
    check(alice.status()["coordinator"]["state"] != "ok", "status says a dead coordinator is ok")
    check(stream.gap_s(since) < 0.5, f"a gap of {stream.gap_s(since):.2f} s while the coordinator was away")
    # A daemon that starts now has its map from disk, and finds its peers by the other relay.
    bob.process.terminate()
    bob.start()
    bob.wait_peer(alice)
    bob.reaches(alice, timeout_s=20)
    since = time.time()
    coord.start()
    for node in (alice, bob):
        wait = time.monotonic()
        while node.status()["coordinator"]["state"] != "ok":
            check(time.monotonic() - wait < 60, f"{node.name} did not come back to the coordinator")
            time.sleep(0.2)
    print(f"both reconnected {time.time() - since:.1f} s after the restart")
    carol = Node(lab, lab.server("carol"))
    carol.up(coord.token)
    for node in (alice, bob):
        node.wait_peer(carol)
        node.reaches(carol)
    stream.stop()
