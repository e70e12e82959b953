"""warren netcheck and coturn's classifier say the same of every kind of router.

    client ── router (A … S, U, open) ── internet ── coord (relay with one address)
                                            ├── near (relay with two: RFC 5780)
                                            └── stun (coturn with two addresses)
"""

import concurrent.futures
import json

from lab.command import check, tool
from lab.warren import Coordinator, Node, Relay
from scenarios.lab_nat_kinds import EXPECTED, classify, start_stun

KINDS = "ABCDES"


def netcheck(node):
    return json.loads(node.ctl("netcheck", "--json", timeout_s=60).stdout)


def compare(kind, node, stun):
    """What both say of filtering and mapping, each with questions of its own."""
    seen = netcheck(node)
    said = classify(node.ns, stun)
    for what, wanted, judge in zip(("mapping", "filtering"), EXPECTED[kind], said):
        check(f"NAT with {wanted} {what.title()}!" in judge, f"{kind}: the judge says {judge}")
        ours = seen[what].replace("-", " ").title().replace(" And ", " and ")
        check(ours == wanted, f"{kind}: {what} is {wanted}, netcheck says {seen[what]}")
    check(seen["udp"] is True, f"{kind}: UDP works and netcheck says {seen['udp']}")
    named = {relay["name"]: relay["latency_ms"] for relay in seen["relays"]}
    check(named.get("near") is not None, f"{kind}: no latency of near: {named}")
    return f"{kind}: {seen['mapping']} mapping, {seen['filtering']} filtering"


def scenario(lab):
    stun = start_stun(lab)
    coord = Coordinator(lab, lab.server("coord"))
    near = lab.server("near")
    second = near.address(4).rsplit(".", 1)[0] + ".3"
    near.ip(f"addr add {second}/24 dev wan")
    Relay(coord, near, "near", alt=second)
    nodes = {}
    for kind in [*KINDS, "U", "open"]:
        nodes[kind] = Node(lab, lab.home(f"home{kind}", kind).host(f"client{kind.lower()}"))
        nodes[kind].up(coord.token)
    with concurrent.futures.ThreadPoolExecutor(len(KINDS)) as pool:
        for line in pool.map(lambda kind: compare(kind, nodes[kind], stun), KINDS):
            print(line)
    seen = netcheck(nodes["U"])
    check(seen["udp"] is False, f"U: UDP is blocked and netcheck says {seen['udp']}")
    seen = netcheck(nodes["open"])
    check((seen["mapping"], seen["filtering"]) == ("none", "endpoint-independent"),
          f"no NAT and no firewall, and netcheck says {seen}")
    # coturn's plain client gets its own address from our server.
    home = lab.home("judge", "A")
    said = home.host("judgehost").run(tool("turnutils_stunclient"), coord.ns.address(4), expect=None).stdout
    check(home.public_address() in said, f"turnutils_stunclient says {said}")
