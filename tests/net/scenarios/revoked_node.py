"""A revoked node is cut off at every peer, and does not get back in with its old identity.

    alice ── router A ── internet ── router A ── mallory
                            └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import join, coordinator


def scenario(lab):
    coord = coordinator(lab)
    alice, mallory = join(lab, coord, lab.home("home1", "A").host("alice"),
                          lab.home("home2", "A").host("mallory"))
    mallory.reaches(alice)
    address = alice.address()
    start = time.monotonic()
    coord.admin("node", "revoke", "mallory")
    wait_until("alice cuts mallory off", lambda: not mallory.ns.ping(address), 10)
    print(f"cut off {time.monotonic() - start:.1f} s after revoke")
    wait_until("alice forgets mallory", lambda: alice.peer("mallory") is None, 10)
    mallory.process.kill()
    mallory.start()
    time.sleep(2)
    check(not mallory.ns.ping(address), "a revoked node is back after a restart")
