"""Public addresses everywhere: behind a stateful firewall, behind none, and on the bare internet.

    alice ── firewall ── internet ── router without rules ── bob
                            ├── coord (with relay)
                            └── carol
"""

from lab.command import check
from lab.warren import coordinator, join


def scenario(lab):
    coord = coordinator(lab)
    nodes = join(lab, coord, lab.home("home1", "none").host("alice"),
                 lab.home("home2", "open").host("bob"), lab.server("carol"))
    for node in nodes:
        for other in nodes:
            if other is node:
                continue
            node.reaches(other)
            node.ping(other, until_direct=True, timeout_s=15)
            peer = node.wait_path(other, "direct")
            public = other.ns.address(4, "wan" if other.name == "carol" else "eth0")
            check(peer["endpoint"].startswith(public + ":"),
                  f"{node.name} to {other.name}: direct to {peer['endpoint']}, not {public}")
