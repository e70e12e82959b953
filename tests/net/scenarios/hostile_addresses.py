"""The coordinator hands out addresses of a node's own LAN: they get no route there, so neither the
LAN nor the gateway can be taken over; status says so.

    alice ── router A ── internet ── bob
                            └── coord (with relay), whose pool is alice's LAN
"""

from lab.command import check, wait_until
from lab.warren import Node, coordinator


def scenario(lab):
    home = lab.home("home", "A")
    host = home.host("alice")
    lan = host.address(4, "eth0").rsplit(".", 1)[0]
    coord = coordinator(lab, pool4=f"{lan}.0/24")
    bob, alice = Node(lab, lab.server("bob")), Node(lab, host)
    bob.up(coord.token)
    alice.up(coord.token)
    bob.wait_peer(alice)
    own, theirs = alice.address(), bob.address()
    check(own.startswith(lan) and theirs.startswith(lan), f"{own} and {theirs} are not in {lan}.0/24")

    said = alice.status()["health"]
    check(any("lies in the local network" in line for line in said), f"health: {said}")
    wait_until("bob is refused", lambda: "peer-refused" in alice.process.log(), 10)
    check(alice.peer(bob) is None, "bob is a peer all the same")
    routes = host.run("ip", "route", "show", "dev", alice.tun).stdout
    check(not routes.strip(), f"routes into the tunnel: {routes}")
    check(own not in host.run("ip", "-4", "addr", "show", "dev", alice.tun).stdout, "the address is set")
    check(host.ping(coord.ns.address(4), timeout_s=3), "the way out is gone")
    check(not bob.status()["health"], f"bob's health: {bob.status()['health']}")

    # Another map with the same bob in it: not a word more.
    carol = Node(lab, lab.server("carol"))
    carol.up(coord.token)
    wait_until("carol is refused too", lambda: alice.process.log().count("peer-refused") >= 2, 10)
    lines = [line for line in alice.process.log().splitlines() if "peer-refused" in line and "bob" in line]
    check(len(lines) == 1, f"bob was refused in {len(lines)} lines")
    bob.reaches(carol)

    # The LAN gets other numbers: what stood against the addresses is gone.
    gateway = host.run("ip", "-4", "route", "show", "default").stdout.split()[2]
    host.ip("addr flush dev eth0")
    home.router.ip("addr add 10.77.0.1/24 dev lan")
    host.ip("addr add 10.77.0.2/24 dev eth0")
    host.ip("route add default via 10.77.0.1")
    print(f"was behind {gateway}")
    alice.wait_peer(bob)
    check(not any("local network" in line for line in alice.status()["health"]), "health still says so")
