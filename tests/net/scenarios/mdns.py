"""Two machines on one LAN that tell their private addresses to nobody still find each other.

    alice ─┐
           ├─ lan ── router A (no hairpin) ── internet ── coord (with relay)
    bob   ─┘                                      └────── router A ── carol
"""

import re
import time

from lab.command import check
from lab.warren import Node, coordinator

HIDE = "/run/hide.conf"


def scenario(lab):
    with open(HIDE, "w", encoding="ascii") as file:
        file.write("host-addresses = hide\n")
    coord = coordinator(lab)
    home, far = lab.home("home1", "A"), lab.home("home2", "A")
    nodes = [Node(lab, home.host("alice"), start=False), Node(lab, home.host("bob"), start=False),
             Node(lab, far.host("carol"), start=False)]
    alice, bob, carol = nodes
    for node in nodes:
        node.start("--config", HIDE)
        node.up(coord.token)
    alice.wait_peer(bob)
    alice.wait_peer(carol)
    capture = home.router.start("capture", "tcpdump", "-i", "lan", "-n", "-l", "-U", "udp port 5353")
    capture.wait_log("listening")
    start = time.monotonic()
    alice.ping(bob, until_direct=True)
    seconds = time.monotonic() - start
    endpoint = alice.peer(bob)["endpoint"]
    check(endpoint.startswith(home.lan), f"the path leads to {endpoint}, not over the LAN")
    time.sleep(0.2)
    said = capture.log()
    name = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\.local"
    check(re.search(r"224\.0\.0\.251\.5353: .*A \(QU\)\? " + name, said), f"nobody asked by multicast: {said}")
    check(re.search(r"\.5353 > \S+: .*A " + re.escape(home.lan), said), f"nobody answered: {said}")
    alice.ping(carol, until_direct=True)
    check(alice.peer(carol)["endpoint"].startswith(far.public_address()), "carol is reached elsewhere")
    print(f"over the LAN {seconds:.2f} s after the first packet, by names")
