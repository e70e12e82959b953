"""The router opens a port: two homes whose routers map every flow anew meet directly all the same.

    alice ── router B, miniupnpd ── internet ── router B ── bob
                                        └── coord (with relay)

Each protocol alone opens the port, the relay's probes verify it, and at the end it is closed. A router
that is started anew is asked again at once, and rules that are deleted behind everybody's back are
found missing.
"""

import re
import time

from lab.command import check, wait_until
from lab.mapper import Mapper, mapping
from lab.warren import Node, coordinator

OPENED = re.compile(r"port-mapping protocol=(\S+) external=(\S+) after_ms=(\d+)")


def join(lab, coord, kind="B", **options):
    """A node in a home of its own, whose router has a mapper."""
    home = lab.home(f"home{lab.sites}", kind, **{k: v for k, v in options.items() if k != "protocols"})
    mapper = Mapper(home, options.get("protocols", ("pcp", "nat-pmp", "upnp")))
    node = Node(lab, home.host(f"node{lab.sites}"))
    node.up(coord.token)
    return mapper, node


def wait_verified(node, since=0):
    wait_until(f"{node.name}: the mapping is verified",
               lambda: 'state="verified"' in node.process.log()[since:], 10)


def alone(lab, coord, protocol, bob):
    mapper, node = join(lab, coord, protocols=(protocol,))
    wait_verified(node)
    first, external, after_ms = OPENED.search(node.process.log()).groups()
    check(first == protocol, f"{protocol} alone, and {first} opened the port")
    check(int(after_ms) <= 400, f"{protocol}: open after {after_ms} ms")
    check(len(mapper.opened()) == 1, f"{protocol}: the router has {mapper.opened()}")
    node.reaches(bob)
    start = time.monotonic()
    node.wait_path(bob, "direct", timeout_s=5)
    print(f"{protocol}: {external} after {after_ms} ms, direct after {time.monotonic() - start:.2f} s")
    node.process.terminate()
    mapper.wait_closed()


def scenario(lab):
    coord = coordinator(lab)
    bob = Node(lab, lab.home("right", "B").host("bob"))
    bob.up(coord.token)
    mapper, node = join(lab, coord)
    since_join = time.monotonic()
    for protocol in ("pcp", "nat-pmp", "upnp"):
        alone(lab, coord, protocol, bob)
    wait_verified(node)
    text, entries = mapping(node)
    print(text)
    check(text.endswith(" verified") and len(entries) == 1, f"netcheck says {text}, {entries}")
    check(entries[0]["verified"] and entries[0]["protocol"] == "pcp", f"netcheck says {entries}")
    # A client's and a router's clocks may differ by two seconds, so a shorter life shows nothing.
    time.sleep(max(0.0, since_join + 4 - time.monotonic()))
    mapper.restart()
    start = time.monotonic()
    wait_until("a router that was started anew is asked again at once", mapper.opened, 5)
    print(f"after a restart open again in {time.monotonic() - start:.2f} s")
    mapper.forget()
    since, start = len(node.process.log()), time.monotonic()
    wait_until("the dead mapping is noticed and made anew", mapper.opened, 60)
    wait_verified(node, since)
    print(f"repaired after {time.monotonic() - start:.1f} s")
    node.process.terminate()
    mapper.wait_closed()
