"""Debian's coturn is the only relay, and carries what cannot go directly.

    alice ── router B ──┐              ┌── coord (without a relay)
    bob   ── router B ──┤              │
                        ├── internet ──┤
    carol ── router U ──┤              ├── turn (coturn: UDP, TCP, TLS)
    dave  ── router U ──┤              └── tiny (tinyproxy, the only way out of P)
    erin  ── router P ──┘

Alice and bob meet there over UDP; carol comes by TCP, and by TLS when only that gets through; when
coturn begins anew everybody finds back; a wrong secret is named as the reason.
"""

import time

from lab import proxies
from lab.command import check, wait_until
from lab.turn import Coturn
from lab.warren import Coordinator, Node, Stream, join, transfer


def only_tls(home):
    """A firewall that lets nothing through but TLS to the coordinator and to the TURN server."""
    home.router.nft('''table inet strict {
        chain forward {
            type filter hook forward priority -5; policy accept;
            oifname "wan" tcp dport 3478 drop
        }
    }''')


def transports(*nodes):
    return [node.wait_home_relay("turn")["transport"] for node in nodes]


def by_turn(source, target):
    source.reaches(target)
    peer = source.wait_path(target, "relay")
    check(peer["relay"] == "turn", f"{source.name} to {target.name} is said to go by {peer}")


def hard_nats(alice, bob):
    check(transports(alice, bob) == ["udp", "udp"], "not by UDP")
    by_turn(alice, bob)
    print(f"B×B by UDP: {transfer(alice, bob):.0f} MiB/s, {alice.ping(bob)[0][2]} ms")


def udp_blocked(alice, carol, dave):
    check(transports(carol, dave) == ["tcp", "tcp"], f"not by TCP: {transports(carol, dave)}")
    by_turn(carol, alice)
    print(f"U×B by TCP: {transfer(carol, alice):.0f} MiB/s, {carol.ping(alice)[0][2]} ms")


def behind_a_proxy(lab, coord, alice):
    tiny = lab.server("tiny")
    proxies.tinyproxy(tiny)
    erin = Node(lab, lab.home("home5", "P", proxy=tiny.address()).host("erin"), start=False)
    with open("/run/erin.conf", "w", encoding="ascii") as file:
        file.write(f"proxy = {tiny.address()}:{proxies.PORT}\n")
    erin.start("--config", "/run/erin.conf")
    erin.up(coord.token)
    erin.wait_peer(alice)
    check(transports(erin) == ["tls"], f"not by TLS: {transports(erin)}")
    by_turn(erin, alice)
    print(f"P×B by TLS through the proxy: {transfer(erin, alice, 4):.0f} MiB/s")


def begins_anew(turn, alice, bob):
    stream = Stream(alice, bob)
    since = time.time()
    turn.process.kill()
    turn.start()
    alice.reaches(bob, 20)
    print(f"coturn began anew: {stream.gap_s(since):.1f} s without an answer between alice and bob")
    return stream


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord"), options=["--no-relay"])
    turn = Coturn(coord, lab.server("turn"), tls_port=443)
    homes = [lab.home("home1", "B"), lab.home("home2", "B"), lab.home("home3", "U"),
             lab.home("home4", "U")]
    alice, bob, carol, dave = join(lab, coord, *(home.host(name) for home, name in zip(
        homes, ("alice", "bob", "carol", "dave"))))
    hard_nats(alice, bob)
    udp_blocked(alice, carol, dave)
    behind_a_proxy(lab, coord, alice)

    for home in homes[2:]:
        only_tls(home)
    stream = begins_anew(turn, alice, bob)
    wait_until("carol and dave come by TLS", lambda: transports(carol, dave) == ["tls", "tls"], 15)
    by_turn(carol, dave)
    print(f"U×U by TLS: {transfer(carol, dave):.0f} MiB/s, {carol.ping(dave)[0][2]} ms")
    by_turn(alice, carol)

    turn.process.kill()
    turn.start(secret="not the one the coordinator has")
    for node in (alice, carol):
        wait_until(f"{node.name} names the secret", lambda: any(
            "turn" in line and "secret" in line for line in node.status()["health"]), 20)
    stream.stop()
