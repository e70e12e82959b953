"""A node changes its WireGuard key under traffic, and one that is revoked is cut off at every peer that
is online within 5 s, for good.

    alice ── router A ── internet ── router A ── bob, carol
                            └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import coordinator, join

GAP_S = 1.0
CUT_S = 5.0


def longest_gap(log):
    """Seconds between two answers of ping -D, at most."""
    times = [float(line[1:line.index("]")]) for line in log.splitlines() if line.startswith("[") and "bytes from" in line]
    check(len(times) > 50, f"hardly any answers: {log[-300:]}")
    return max(b - a for a, b in zip(times, times[1:]))


def own_key(node):
    return node.ns.run("wg", "show", node.tun, "public-key").stdout.strip()


def knows(node, key):
    return key in node.ns.run("wg", "show", node.tun, "peers").stdout.split()


def scenario(lab):
    coord = coordinator(lab)
    home2 = lab.home("home2", "A")
    alice, bob, carol = join(lab, coord, lab.home("home1", "A").host("alice"), home2.host("bob"), home2.host("carol"))
    alice.reaches(bob)
    alice.reaches(carol)
    wait_until("a direct path", lambda: alice.peer("bob")["path"] == "direct", 15)
    old = own_key(bob)
    check(knows(alice, old), "alice does not know bob's key")
    pings = [alice.ns.start("ping-ab", "ping", "-D", "-n", "-i", "0.02", bob.address()),
             bob.ns.start("ping-ba", "ping", "-D", "-n", "-i", "0.02", alice.address())]
    time.sleep(1)
    for _ in range(3):
        bob.ctl("rotate-key")
        wait_until("bob has a new key", lambda: own_key(bob) != old, 5)
        key = own_key(bob)
        wait_until("alice knows it", lambda: knows(alice, key) and not knows(alice, old), 5)
        old = key
        time.sleep(1.5)
    for ping in pings:
        ping.terminate()
        gap = longest_gap(ping.log())
        print(f"{ping.name}: longest gap while three keys were changed {gap:.2f} s")
        check(gap <= GAP_S, f"{ping.name}: {gap:.2f} s without an answer")
    wait_until("direct again", lambda: alice.peer("bob")["path"] == "direct", 15)
    bob.process.kill()
    bob.start()
    bob.reaches(alice)
    check(own_key(bob) == key and knows(alice, key), "after a restart bob has another key")

    # Revoked, for those who are online at once, and after everybody was restarted.
    bob.reaches(carol)
    start = time.monotonic()
    coord.admin("node", "revoke", "bob")
    wait_until("all cut bob off", lambda: not alice.peer("bob") and not carol.peer("bob"), CUT_S)
    print(f"cut off at both after {time.monotonic() - start:.1f} s")
    check(not alice.ns.ping(bob.address()), "bob still answers alice")
    coord.process.kill()
    coord.start()
    for node in (alice, carol, bob):
        node.process.kill()
        node.start()
    wait_until("alice and carol are back", lambda: alice.peer("carol") and carol.ns.ping(alice.address()), 15)
    check(not alice.peer("bob") and not bob.ns.ping(alice.address()), "bob is back after a restart")
