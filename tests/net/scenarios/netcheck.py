"""warren netcheck and coturn's classifier see the same router, against the same kind of server.

    alice ── router (A, B, U) ── internet ── coord and near (relays: STUN servers)
                                    └── stun (coturn with two addresses)
"""

import json

from lab.command import check, tool
from lab.warren import Coordinator, Node, Relay
from scenarios.lab_nat_kinds import start_stun

EXPECTED = {"A": True, "B": False}


def scenario(lab):
    stun = start_stun(lab)
    coord = Coordinator(lab, lab.server("coord"))
    Relay(coord, lab.server("near"), "near")
    for kind, independent in EXPECTED.items():
        node = Node(lab, lab.home(f"home{kind}", kind).host(f"client{kind.lower()}"))
        node.up(coord.token)
        node.wait_home_relay()
        seen = json.loads(node.ctl("netcheck", "--json", timeout_s=30).stdout)
        judge = node.ns.run(tool("turnutils_natdiscovery"), "-m", stun, expect=None).stdout
        check(("Endpoint Independent Mapping!" in judge) == independent, f"{kind}: the judge says {judge}")
        mapping = (seen["mapping"] or "").lower()
        check(mapping, f"{kind}: no mapping: {seen}")
        check(("independent" in mapping) == independent, f"{kind}: netcheck says {mapping}")
        check(seen["udp"] is True, f"{kind}: UDP works and netcheck says {seen['udp']}")
        named = {relay["name"]: relay["latency_ms"] for relay in seen["relays"]}
        check("near" in named and named["near"] is not None, f"{kind}: no latency of near: {named}")
        print(f"{kind}: {mapping}, filtering {seen.get('filtering')}")
    node = Node(lab, lab.home("homeU", "U").host("clientu"))
    node.up(coord.token)
    seen = json.loads(node.ctl("netcheck", "--json", timeout_s=30).stdout)
    check(seen["udp"] is False, f"U: UDP is blocked and netcheck says {seen['udp']}")
    # coturn's plain client gets its own address from our server.
    home = lab.home("judge", "A")
    said = home.host("judgehost").run(tool("turnutils_stunclient"), coord.ns.address(4), expect=None).stdout
    check(home.public_address() in said, f"turnutils_stunclient says {said}")
