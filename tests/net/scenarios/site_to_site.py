"""Two LANs numbered alike become one network: each sees the other's machines by other numbers. The
machines run nothing of ours and know nothing; their router has one route more.

    hosta ─┐                                                             ┌─ hostb
           ├─ east (192.168.1.0/24) ── internet ── west (192.168.1.0/24) ─┤
    gwa ───┘   seen as 10.77.1.0/24      │        seen as 10.77.2.0/24    └─ gwb
               fd0a::/64               coord      fd0b::/64
"""

import json
import os
import re
import socket

from lab import lan
from lab.command import check, run, wait_until
from lab.warren import Node, coordinator

TIMEOUT_S = 150
REAL = "192.168.1.0/24"


class Site:
    def __init__(self, lab, coord, letter, number, home):
        self.seen, self.seen6 = f"10.77.{number}.0/24", f"fd0{letter}::/64"
        self.home = lab.home(home, "A", lan="192.168.1")
        self.gw_ns, self.host = self.home.host(f"gw{letter}"), self.home.host(f"host{letter}")
        self.address, self.address6 = f"10.77.{number}.11", f"fd0{letter}::11"
        for ns, dev, last in ((self.home.router, "lan", 1), (self.gw_ns, "eth0", 10), (self.host, "eth0", 11)):
            ns.ip(f"addr add fd0{letter}::{last}/64 dev {dev} nodad")
        self.host.ip(f"route add default via fd0{letter}::1")
        self.log = lan.nginx(self.host)
        self.echo = lan.Echo(self.host, "192.168.1.11")
        self.echo6 = lan.Echo(self.host, self.address6)
        self.gw = Node(lab, self.gw_ns)
        self.gw.up(coord.key("--group", "trusted", "--routes", f"{self.seen},{self.seen6}"))
        self.gw.ctl("set", "routes", f"{REAL},{self.seen6}", "--map", f"{REAL}={self.seen}", "--snat", "no")

    def route_to(self, other):
        """The one thing that changes in a site: its router knows where the other one is, and for IPv6
        the machines are told, as routers do (RFC 4191)."""
        self.home.router.ip(f"route add {other.seen} via 192.168.1.10")
        self.host.ip(f"route add {other.seen6} via {self.seen6.split('/')[0]}10")


def refused(ns, family, address):
    """Does the error of a closed port come home, with what is inside it translated too?"""
    with ns.socket(family) as probe:
        probe.settimeout(3)
        probe.connect((address, 9))
        probe.send(b"x")
        try:
            probe.recv(10)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            pass
        return False


def both_ways(one, other):
    for near, far in ((one, other), (other, one)):
        check(lan.fetches(near.host, far.address), f"{near.host.name} gets no page by v4")
        check(lan.clients(far.log)[-1] == near.address, f"nginx saw {lan.clients(far.log)[-1]}, not {near.address}")
        check(lan.fetches(near.host, far.address6), f"{near.host.name} gets no page by v6")
        check(lan.clients(far.log)[-1] == near.address6, f"nginx saw {lan.clients(far.log)[-1]}")
        for size in (10, 1400, 4000):
            check(far.echo.ask(near.host, far.address, size) == near.address, f"UDP of {size} by v4")
            check(far.echo6.ask(near.host, far.address6, size) == near.address6, f"UDP of {size} by v6")
        check(near.host.ping(far.address) and near.host.ping(far.address6), "no ICMP echo")
        check(refused(near.host, socket.AF_INET, far.address), "the ICMP error did not come home by v4")
        check(refused(near.host, socket.AF_INET6, far.address6), "the ICMP error did not come home by v6")
        # Who looks for the way is answered by the far router, in the name of the far machine: the
        # kernel translates what it says about a translated packet, too.
        hops = [lan.hop(near.host, far.address, ttl) for ttl in (1, 2, 3)]
        check("192.168.1.10" in hops and far.address in hops, f"the hops are {hops}")


def large(one, other):
    """8 MiB in both directions, although a link on the way takes less than any machine knows."""
    for near, far in ((one, other), (other, one)):
        for address in (far.address, far.address6):
            target = f"/run/{near.host.name}.got"
            near.host.run("curl", "-sSf", "--max-time", 20, "-o", target, f"http://{lan.bracket(address)}/big",
                          timeout_s=25)
            run(["cmp", target, f"/run/nginx-{far.host.name}/www/big"])
            os.unlink(target)


def told_size(ns, address):
    """What a machine that must not fragment is told: the size that fits, or None."""
    said = ns.run("ping", "-n", "-c", "3", "-i", "0.3", "-W", "1", "-M", "do", "-s", "1440", address, expect=None)
    found = re.findall(r"mtu[:= ]+(\d+)", said.stdout + said.stderr)
    return int(found[-1]) if found else None


def scenario(lab):
    coord = coordinator(lab)
    east, west = Site(lab, coord, "a", 1, "east"), Site(lab, coord, "b", 2, "west")
    # No machine of the sites knows of this link.
    line = f"site{west.home.site}"
    lab.internet.ip(f"link set {line} mtu 1320")
    west.home.router.ip("link set wan mtu 1320")
    east.route_to(west)
    west.route_to(east)
    sides = ([east.seen, east.seen6], [west.seen, west.seen6])
    one_way = {"allow": sides[0], "to": [f"{prefix}:*" for prefix in sides[1]]}
    coord.set_policy({"rules": [one_way]})
    wait_until("east reaches west", lambda: lan.fetches(east.host, west.address), 30)
    wait_until("by v6 too", lambda: lan.fetches(east.host, west.address6), 10)
    check(not lan.fetches(west.host, east.address), "west starts something that no rule allows")
    check(not west.host.ping(east.address6), "west starts something by v6 that no rule allows")

    coord.set_policy({"rules": [one_way, {"allow": sides[1], "to": [f"{prefix}:*" for prefix in sides[0]]}]})
    wait_until("west reaches east", lambda: lan.fetches(west.host, east.address), 20)
    both_ways(east, west)
    check(lan.sctp_handshake(east.host, west.host, west.address) == east.address, "SCTP saw another address")
    large(east, west)
    for near, far in ((east, west), (west, east)):
        for address in (far.address, far.address6):
            size = told_size(near.host, address)
            check(size and 1200 <= size < 1320, f"{near.host.name} was told {size} for {address}")

    line = next(r for r in json.loads(west.gw.ctl("routes", "--json").stdout)["routes"]
                if r["prefix"] == east.seen and r["node"] == "gwa")
    check(line["real"] == REAL and line["used"], f"the map is not told: {line}")
    coord.set_policy({"rules": []})
    wait_until("the sites are apart", lambda: not lan.fetches(east.host, west.address), 20)
