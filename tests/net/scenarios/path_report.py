"""The coordinator is told by which kind of path who reaches whom: no address, not by who refuses, and
not when the network does not want it.

    alice ─┐
    bob   ─┼── router B ── internet ── coord (with relay)
    carol ─┘   (report = no)
"""

import json

from lab.command import check, wait_until
from lab.warren import Node, coordinator, join


def scenario(lab):
    coord = coordinator(lab)
    home = lab.home("home", "B")
    alice, bob = join(lab, coord, home.host("alice"), home.host("bob"))
    carol = Node(lab, home.host("carol"), start=False)
    carol.start("--report", "no")
    carol.up(coord.key("--group", "trusted"))
    for node, other in ((alice, bob), (carol, alice)):
        node.wait_peer(other)
    alice.ping(bob, until_direct=True, timeout_s=15)
    carol.ping(alice, until_direct=True, timeout_s=15)

    def paths():
        text = coord.admin("path", "list", "--json").stdout
        listed = json.loads(text)["paths"]
        return text, {frozenset((path["node"], path["peer"])): path for path in listed}

    def direct():
        text, listed = paths()
        path = listed.get(frozenset(("alice", "bob")))
        return path and path["path"] == "direct" and (text, listed)

    text, listed = wait_until("the coordinator knows of the direct path", direct, 45)
    for node in (alice, bob):
        check(node.ns.address(4, "eth0") not in text, f"an address is told: {text}")
    nodes = {node["name"]: node for node in json.loads(coord.admin("node", "list", "--json").stdout)["nodes"]}
    check(nodes["alice"]["reported_s"] > 0, "alice reports nothing")
    check(nodes["carol"]["reported_s"] == 0, "carol reports although it refuses")
    check(frozenset(("alice", "carol")) in listed, "alice does not tell of its path to carol")
    coord.admin("settings", "set", "report-paths", "no")
    check(not paths()[1], "reports are kept although they are not wanted")
