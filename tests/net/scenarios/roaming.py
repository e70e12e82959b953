"""A machine gets another address while traffic flows: the direct path is dead for both ends, and
only one of them knows. Both leave it for the relay at once and find a direct one again. Then UDP
is away for a moment.

    alice ── router A ── internet ── router A ── bob
                            └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.warren import Stream, two_homes

GAP_MAX_S = 2.0 


def move(host, router, old, new):
    host.ip(f"addr del {old}/24 dev eth0")
    host.ip(f"addr add {new}/24 dev eth0")
    host.ip(f"route add default via {router}")


def outage(alice, bob, spare):
    """UDP is away just long enough for TLS to win the race to the relay: that must not last."""
    alice.ns.nft("table inet broken {\n chain output {\n type filter hook output priority 0;\n"
                 " meta l4proto udp drop\n }\n }\n")
    alice.ns.ip(f"addr add {spare}/24 dev eth0")  # the daemon looks around now
    wait_until("the relay is reached by TLS",
               lambda: (alice.status()["home_relay"] or {}).get("transport") == "tls", 10)
    alice.ns.run("nft", "delete", "table", "inet", "broken")
    wait_until("the relay is reached by UDP again",
               lambda: (alice.status()["home_relay"] or {}).get("transport") == "udp", 10)
    alice.wait_path(bob, "direct", 20)


def scenario(lab):
    _, alice, bob = two_homes(lab, "A", "A")
    alice.ping(bob, until_direct=True)
    bob.wait_path(alice, "direct")
    old = alice.ns.address(4, "eth0")
    lan = old.rsplit(".", 1)[0]

    stream = Stream(alice, bob)
    moved = time.time()
    move(alice.ns, f"{lan}.1", old, f"{lan}.77")
    time.sleep(4)
    gap = stream.gap_s(moved)
    check(gap <= GAP_MAX_S, f"{gap:.2f} s without an answer after another address")
    alice.wait_path(bob, "direct", 20)
    bob.wait_path(alice, "direct", 20)
    check(stream.gap_s(moved) <= GAP_MAX_S, "answers stopped later on")
    outage(alice, bob, f"{lan}.78")
    stream.stop()
    print(f"longest gap {gap:.2f} s")
