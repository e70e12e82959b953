"""What the policy allows is what passes: protocol × port × direction × family, with changes under traffic.

    alice (tag:client) ── internet ── db (tag:db)
                                └── coord (with relay)
"""

import socket
import time

from lab.command import check, wait_until
from lab.warren import Node, coordinator

GRE, SCTP = 47, 132
OPEN, SHUT = 5432, 5433


def rules(*allowed):
    return {"rules": [{"allow": ["tag:client"], "to": [f"tag:db:{ports}" for ports in allowed]}]}


FAMILIES = {4: (socket.AF_INET, "0.0.0.0"), 6: (socket.AF_INET6, "::")}


def listen(node, family, kind, port):
    af, anything = FAMILIES[family]
    server = node.ns.socket(family=af, kind=kind)
    if af == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((anything, port))
    if kind == socket.SOCK_STREAM:
        server.listen(16)
    return server


def raw(node, family, proto):
    return node.ns.socket(family=FAMILIES[family][0], kind=socket.SOCK_RAW, proto=proto)


def connects(node, family, address, port):
    with node.ns.socket(family=FAMILIES[family][0], kind=socket.SOCK_STREAM) as client:
        client.settimeout(0.5)
        return client.connect_ex((address, port)) == 0


def arrives(send, server, text):
    server.settimeout(0.4)
    send(text)
    try:
        while True:
            if text in server.recv(2000):
                return True
    except TimeoutError:
        return False


def datagram(node, family, address, server, port):
    with node.ns.socket(family=FAMILIES[family][0]) as client:
        return arrives(lambda text: client.sendto(text, (address, port)), server, b"knock-%d" % port)


def packet(node, other, family, proto):
    """Does a packet of this protocol arrive?"""
    text = b"\x14\xe9\x15\x38" + b"\0" * 8 + b"proto-%d" % proto  # for SCTP: ports 5353 and 5432
    with raw(node, family, proto) as client, raw(other, family, proto) as server:
        return arrives(lambda data: client.sendto(data, (other.address(family), 0)), server, text)


def matrix(node, other, servers, allowed, number=GRE):
    """Tries everything from node to other; allowed: what may pass; number: of a protocol without ports."""
    for family in (4, 6):
        address = other.address(family)
        tried = {
            f"tcp/{OPEN}": connects(node, family, address, OPEN),
            f"tcp/{SHUT}": connects(node, family, address, SHUT),
            f"udp/{OPEN}": datagram(node, family, address, servers[family, "udp", OPEN], OPEN),
            f"udp/{SHUT}": datagram(node, family, address, servers[family, "udp", SHUT], SHUT),
            "icmp": node.ns.ping(address),
            "gre": packet(node, other, family, number),
            "sctp": packet(node, other, family, SCTP),
        }
        for what, passed in tried.items():
            check(passed == (what in allowed),
                  f"{node.name} to {other.name} over v{family}: {what} "
                  f"{'passes' if passed else 'does not pass'}; allowed: {sorted(allowed) or 'nothing'}")


def serve_all(node):
    servers = {}
    for family in (4, 6):
        for port in (OPEN, SHUT):
            servers[family, "tcp", port] = listen(node, family, socket.SOCK_STREAM, port)
            servers[family, "udp", port] = listen(node, family, socket.SOCK_DGRAM, port)
    return servers


def talks(client, server):
    """Does an established connection still carry data, both ways?"""
    try:
        client.sendall(b"ping")
        server.settimeout(1)
        if not server.recv(100):
            return False
        server.sendall(b"pong")
        client.settimeout(1)
        return bool(client.recv(100))
    except OSError:
        return False


def set_and_wait(coord, policy, what, probe):
    start = time.monotonic()
    coord.set_policy(policy)
    wait_until(what, probe, 10)
    took = time.monotonic() - start
    print(f"{what} after {took * 1000:.0f} ms")
    return took


def scenario(lab):
    coord = coordinator(lab)
    coord.set_policy({"rules": []})
    alice, db = Node(lab, lab.server("alice")), Node(lab, lab.server("db"))
    alice.up(coord.key("--tag", "client"))
    db.up(coord.key("--tag", "db"))
    serving = {node: serve_all(node) for node in (alice, db)}
    check(alice.peer(db) is None, "nodes that no rule brings together know each other")

    coord.set_policy(rules(f"tcp/{OPEN}", f"udp/{SHUT}", "gre"))
    wait_until("alice reaches db", lambda: connects(alice, 4, db.address(), OPEN), 20)
    # Without ports whoever speaks second answers, so this way has a protocol of its own.
    matrix(db, alice, serving[alice], set(), number=48)
    matrix(alice, db, serving[db], {f"tcp/{OPEN}", f"udp/{SHUT}", "gre"})

    client = alice.ns.socket(kind=socket.SOCK_STREAM)
    client.settimeout(3)
    client.connect((db.address(), OPEN))
    # The first in the queue may be one that was tried before.
    server = None
    for _ in range(16):
        server, peer = serving[db][4, "tcp", OPEN].accept()
        if peer[1] == client.getsockname()[1]:
            break
    check(talks(client, server), "an allowed connection carries nothing")

    took = set_and_wait(coord, rules(f"tcp/{OPEN}-{SHUT}", "icmp", f"sctp/{OPEN}"), "icmp passes",
                        lambda: alice.ns.ping(db.address()))
    check(took < 3, f"a change took {took:.1f} s")
    check(talks(client, server), "a connection that is still allowed died with the change")
    matrix(alice, db, serving[db], {f"tcp/{OPEN}", f"tcp/{SHUT}", "icmp", "sctp"})

    took = set_and_wait(coord, rules("icmp", f"tcp/{SHUT}"), "the connection is cut",
                        lambda: not talks(client, server))
    check(took < 4, f"a change took {took:.1f} s")
    check(not connects(alice, 4, db.address(), OPEN), "a port stays open that no rule allows")
    check(connects(alice, 6, db.address(6), SHUT), "another port was closed with it")
    for sockets in serving.values():
        for each in sockets.values():
            each.close()
