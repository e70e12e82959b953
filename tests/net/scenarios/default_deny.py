"""What no rule allows does not pass: the receiver's filter enforces it, port by port.

    alice (group clients) ── router A ──┐
                                        ├── internet ── db (tag:db)
    eve (no group) ── router A ─────────┘      └── coord (with relay)
"""

import json
import socket

from lab.command import check, wait_until
from lab.warren import Node, coordinator

POLICY = {
    "groups": {"clients": ["alice"]},
    "rules": [{"allow": ["group:clients"], "to": ["tag:db:tcp/5432"]}],
    "tests": [{"from": "alice", "to": "tag:db", "proto": "tcp", "port": 5432, "expect": "allow"},
              {"from": "eve", "to": "tag:db", "proto": "tcp", "port": 5432, "expect": "deny"}],
}


def serve(node, port, kind):
    """An echo that stays open as long as the scenario; TCP connects by the kernel's backlog."""
    server = node.ns.socket(kind=kind)
    server.bind(("0.0.0.0", port))
    if kind == socket.SOCK_STREAM:
        server.listen(16)
    return server


def connects(node, address, port):
    with node.ns.socket(kind=socket.SOCK_STREAM) as client:
        client.settimeout(2)
        return client.connect_ex((address, port)) == 0


def datagram_arrives(node, server, address, port):
    with node.ns.socket() as client:
        client.sendto(b"knock", (address, port))
    server.settimeout(1.5)
    try:
        return server.recv(100) == b"knock"
    except TimeoutError:
        return False


def scenario(lab):
    coord = coordinator(lab)
    db, alice, eve = (Node(lab, lab.server("db")), Node(lab, lab.home("home1", "A").host("alice")),
                      Node(lab, lab.home("home2", "A").host("eve")))
    db.up(coord.key("--tag", "db"))
    alice.up(coord.key())
    eve.up(coord.key())
    coord.set_policy(POLICY)
    address = db.address()
    servers = {port: serve(db, port, socket.SOCK_STREAM) for port in (5432, 5433)}
    udp = serve(db, 5432, socket.SOCK_DGRAM)

    wait_until("alice reaches tcp/5432", lambda: connects(alice, address, 5432), 20)
    check(not connects(alice, address, 5433), "a port that no rule names is open")
    check(not datagram_arrives(alice, udp, address, 5432), "UDP passes a TCP rule")
    check(not alice.ns.ping(address), "ICMP passes a TCP rule")
    check(not connects(eve, address, 5432), "an unlisted node reaches the port")
    check(eve.peer("db") is None, "an unlisted node is told of the peer")
    # Forcing the address into eve's device gives nothing: there is no peer to carry it.
    check(not eve.ns.ping(address, dev=eve.tun), "an unlisted node reaches the address")
    # The other way: db may answer alice, not call her.
    backwards = serve(alice, 5432, socket.SOCK_STREAM)
    check(not connects(db, alice.address(), 5432), "the server may call its client")

    refused = dict(POLICY, tests=[dict(POLICY["tests"][1], expect="allow")])
    path = "/run/bad-policy.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(refused, file)
    check(coord.admin("policy", "set", path, expect=None).returncode != 0,
          "a policy was taken whose own test fails")
    check(connects(alice, address, 5432), "a refused policy changed something")

    coord.set_policy({"rules": []})
    wait_until("the rule is gone from db's filter", lambda: not connects(alice, address, 5432), 20)
    for server in (*servers.values(), udp, backwards):
        server.close()
