"""A daemon ends, by SIGTERM and by kill -9: nothing of it stays, and it comes back by itself.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check
from lab.warren import two_homes


def leftovers(node):
    """What the daemon could have left in its namespace."""
    found = [f"device {node.tun}"] if node.ns.device_exists(node.tun) else []
    for words in (("-4", "route", "show", "table", "all"), ("-6", "route", "show", "table", "all"),
                  ("-4", "addr"), ("-6", "addr"), ("rule",)):
        out = node.ns.run("ip", *words).stdout
        found += [line for line in out.splitlines()
                  if node.tun in line or "proto 87" in line or "100.64." in line]
    found += [line for line in node.ns.run("nft", "list", "ruleset").stdout.splitlines() if "warren" in line]
    return found


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.reaches(bob)
    address, key = alice.address(), alice.status()["self"]["public_key"]

    alice.process.terminate()
    check(not leftovers(alice), f"left after SIGTERM: {leftovers(alice)}")
    alice.start()
    alice.reaches(bob, 20)

    alice.process.kill()
    check(not leftovers(alice), f"left after kill -9: {leftovers(alice)}")
    start = time.monotonic()
    alice.start()
    alice.reaches(bob, 20)
    print(f"back {time.monotonic() - start:.1f} s after the restart")
    check(alice.address() == address, f"another address after a restart: {alice.address()}")
    check(alice.status()["self"]["public_key"] == key, "another identity after a restart")
    bob.reaches(alice)
