"""Two homes behind ordinary routers: first packet by relay, then a direct path, both ways.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay)
"""

from lab.command import check
from lab.warren import transfer, two_homes


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    replies = alice.ping(bob, until_direct=True, timeout_s=15)
    check(replies and replies[-1][0] == "direct", f"ping did not end direct: {replies}")
    peer = alice.wait_path(bob, "direct")
    check(peer["endpoint"].startswith("198.51.3.2:"), f"direct to {peer['endpoint']}, not bob's router")
    check(peer["relay"] is None and peer["reason"] is None, f"a direct path with a reason: {peer}")
    bob.wait_path(alice, "direct")
    print(f"direct, {transfer(alice, bob):.0f} MiB/s")

    alice.ctl("set", "path", "bob", "relay")
    peer = alice.wait_path(bob, "relay")
    check(peer["reason"] == "forced", f"the reason is {peer['reason']}, not forced")
    alice.reaches(bob)
    alice.ctl("set", "path", "bob", "auto")
    alice.ping(bob, until_direct=True, timeout_s=15)
    alice.wait_path(bob, "direct")
