"""Deep inspection at alice's provider drops whatever has STUN's magic cookie where STUN has it.

    alice ── router A, inspection ── internet ── router A ── bob
                                         └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import Node, coordinator, join

# The cookie (RFC 8489 section 5) stands in bytes 4 to 7 of the message, after 8 of UDP.
INSPECTION = """
table inet inspection {
    chain through {
        type filter hook forward priority -1; policy accept;
        meta l4proto udp @th,96,32 0x2112a442 counter drop
    }
}
"""


def dropped(router):
    return int(router.run("nft", "list", "table", "inet", "inspection").stdout.split("packets ")[1].split()[0])


def scenario(lab):
    coord = coordinator(lab)
    inspected, free = (lab.home(f"home{i}", "A") for i in (1, 2))
    inspected.router.nft(INSPECTION)
    bob, = join(lab, coord, free.host("bob"))
    alice = Node(lab, inspected.host("alice"))
    start = time.monotonic()
    alice.up(coord.token)
    alice.reaches(bob)
    first = time.monotonic() - start
    wait_until("the relay is reached by UDP", lambda: alice.wait_home_relay()["transport"] == "udp", 10)
    alice.ping(bob, until_direct=True)
    direct = time.monotonic() - start
    bob.wait_path(alice, "direct")
    check(dropped(inspected.router) > 0, "nothing was dropped, so this shows nothing")
    health = alice.status()["health"]
    check(not [line for line in health if "udp is blocked" in line], f"udp is said to be blocked: {health}")
    before = dropped(inspected.router)
    time.sleep(6)  # a consent check of either side
    check(alice.peer(bob)["path"] == "direct", "the direct path did not hold")
    print(f"reached after {first:.2f} s, direct after {direct:.2f} s; dropped {before}, "
          f"then {dropped(inspected.router) - before}")
