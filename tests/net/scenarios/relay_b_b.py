"""Two homes whose routers map every flow anew: no direct path is possible, the relay carries all.

    alice ── router B ── internet ── router B ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import transfer, two_homes


def scenario(lab):
    coord, alice, bob = two_homes(lab, "B", "B")
    start = time.monotonic()
    alice.reaches(bob)
    print(f"first answer after {time.monotonic() - start:.2f} s")
    print(f"by relay, {transfer(alice, bob):.0f} MiB/s")
    for node in (alice, bob):
        wait_until(f"{node.name} has tried every pair",
                   lambda n=node, o=bob if node is alice else alice: n.peer(o)["reason"] != "checking", 20)
    for node, other in ((alice, bob), (bob, alice)):
        peer = node.wait_path(other, "relay")
        check(peer["relay"], f"{node.name}: no relay is named: {peer}")
        check(peer["reason"] in ("mapping", "no-answer"), f"{node.name}: reason {peer['reason']}")
    replies = alice.ping(bob, count=3)
    check(replies and all(kind == "relay" for kind, _, _ in replies), f"not by relay: {replies}")
    # --until-direct says that it did not come to that.
    alice.ping(bob, until_direct=True, timeout_s=3, expect=5)
    check(coord.process.running(), "the coordinator ended")
