"""Machines behind one router: two of them send from the same port, which the router cannot leave to
both, and two have routers of their own and meet by the hairpin. Each pair is direct.

    alice, erin (one port) ─┐
    bob ────── router A ────┼── router A (hairpin) ── internet ── router A ── carol
    dave ───── router A ────┘                            └── coord (with relay)
"""

from lab.command import check
from lab.warren import Node, coordinator

SAME = "41641"


def direct(node, other):
    """The addresses that both ends send to."""
    replies = node.ping(other, until_direct=True, timeout_s=10)
    check(replies and replies[-1][0] == "direct", f"{node.name} to {other.name}: {replies}")
    return [a.wait_path(b, "direct", 5)["endpoint"] for a, b in ((node, other), (other, node))]


def scenario(lab):
    coord = coordinator(lab)
    outer, far = lab.home("outer", "A", hairpin=True), lab.home("far", "A")
    inner = [lab.home(name, "A", behind=outer) for name in ("inner1", "inner2")]
    places = ((outer, "alice", SAME), (outer, "erin", SAME), (inner[0], "bob", "41642"),
              (inner[1], "dave", "41643"), (far, "carol", SAME))
    nodes = []
    for home, name, port in places:
        nodes.append(Node(lab, home.host(name), start=False))
        nodes[-1].start("--port", port)
        nodes[-1].up(coord.token)
    alice, erin, bob, dave, carol = nodes
    for node in nodes[:-1]:
        node.wait_peer(carol)
    carol_at = far.public_address()
    seen = {direct(node, carol)[1] for node in nodes[:-1]}
    check(len(seen) == 4, f"carol sees {seen}")
    check(alice.peer(carol)["endpoint"].startswith(carol_at), "carol is elsewhere")
    by_hairpin = direct(bob, dave)
    check(all(at.startswith(outer.public_address()) for at in by_hairpin), f"no hairpin: {by_hairpin}")
    on_lan = direct(alice, erin)
    check(all(at.startswith(outer.lan) for at in on_lan), f"alice and erin meet at {on_lan}")
    print(f"carol sees {', '.join(sorted(seen))}; hairpin {by_hairpin[0]}; LAN {on_lan[0]}")
