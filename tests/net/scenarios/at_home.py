"""At home, stay home: whatever networks a laptop comes into, its own way out and its LAN stay as they are.

    laptop ── internet ── gw (carries 10.20.0.0/16) ── lan (10.20.0.0/24) ── nas (plain host)
      └╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ now and then ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┘
"""

import signal
import time

from lab.command import check, wait_until
from lab.warren import coordinator, join

TIMEOUT_S = 120
SITE, LAN, NAS = "10.20.0.0/16", "10.20.0.0/24", "10.20.0.9"
SITE6, NAS6 = "fd20:1::/48", "fd20:1::9"
REACT_S = 2.0
POLICY = {"rules": [{"allow": ["*"], "to": ["*:*"]},
                    {"allow": ["laptop"], "to": [f"{p}:*" for p in (SITE, SITE6, "172.16.0.0/12")]}]}

def way(node, address):
    """The device by which the kernel would send there."""
    words = node.ns.run("ip", "route", "get", address, expect=None).stdout.split()
    return words[words.index("dev") + 1] if "dev" in words else None

def line(node, prefix):
    return next((r for r in node.ask("routes")["routes"]["routes"] if r["prefix"] == prefix), None)

def why(node, prefix):
    found = line(node, prefix)
    return (found["used"], (found["why"] or "").split(":")[0]) if found else None

class Laptop:
    """What of the host's own must be the same at every step."""

    def __init__(self, node):
        self.node = node
        self.routes = self.main()

    def main(self):
        """The main table without what leads into the tunnel."""
        text = self.node.ns.run("ip", "route", "show", "table", "main").stdout
        text += self.node.ns.run("ip", "-6", "route", "show", "table", "main").stdout
        return [row.strip() for row in text.splitlines() if self.node.tun not in row]

    def intact(self, what):
        now = self.main()
        check(not set(self.routes) - set(now), f"{what}: {self.routes} became {now}")
        check(way(self.node, "198.51.100.1") == "wan", f"{what}: the default route is not the host's own")
        check(self.node.ns.ping(self.gateway(), timeout_s=2), f"{what}: the gateway does not answer")

    def gateway(self):
        return self.node.ns.run("ip", "-4", "route", "show", "default").stdout.split()[2]

def step(laptop, what, act, expected, device, address=NAS, prefix=SITE):
    """After act the prefix is (used, why), and the address goes by device, within two seconds."""
    since = time.monotonic()
    act()
    wait_until(f"{what}: {prefix} is {expected}, {address} by {device}", lambda: (
        why(laptop.node, prefix) == expected and way(laptop.node, address) == device), REACT_S, 0.02)
    print(f"{what}: {expected[1] or 'used'} after {1000 * (time.monotonic() - since):.0f} ms")
    laptop.intact(what)

def try_moves(laptop, wire):
    node, ns, tun = laptop.node, laptop.node.ns, laptop.node.tun

    def enter():
        laptop.node.lab.link(ns, "home", wire, "laptop")
        wire.ip("link set laptop master br0")
        ns.ip("addr add 10.20.0.77/24 dev home")

    wait_until("the host behind gw answers", lambda: ns.ping(NAS), 10)
    check(way(node, NAS) == tun and way(node, NAS6) == tun, "the prefixes do not lead into the tunnel")
    laptop.intact("away")
    step(laptop, "into the LAN", enter, (True, "at-home"), "home")
    # Which LAN with such addresses it is shows when the router is found there.
    wait_until("the router is found in the LAN", lambda: why(node, SITE) == (False, "at-home"), 15)
    check(way(node, NAS) == "home" and way(node, "10.20.99.1") == "wan", "at home the site goes through the tunnel")
    time.sleep(1)
    check(why(node, SITE) == (False, "at-home"), f"at home no more: {line(node, SITE)}")
    check(ns.ping(NAS), "at home the LAN's host does not answer")
    check(line(node, SITE)["conflict"], "at home is not told as one")
    step(laptop, "out of the LAN", lambda: ns.ip("link del home"), (True, ""), tun)
    check(ns.ping(NAS), "away again the LAN's host does not answer")

def try_hotel(laptop):
    """A small LAN that is numbered like a part of the prefix keeps its own addresses and no more."""
    node, ns, tun = laptop.node, laptop.node.ns, laptop.node.tun
    hotel = node.lab.host("hotel")

    def enter():
        node.lab.link(ns, "hotel", hotel, "guest")
        hotel.ip("addr add 10.20.50.1/24 dev guest")
        ns.ip("addr add 10.20.50.77/24 dev hotel")

    step(laptop, "into a hotel", enter, (True, "at-home"), "hotel", "10.20.50.1")
    check(ns.ping("10.20.50.1"), "the hotel's host does not answer")
    check(line(node, SITE)["conflict"] and "10.20.50.77" in line(node, SITE)["why"], f"hotel: {line(node, SITE)}")
    check(way(node, NAS) == tun and ns.ping(NAS), "in a hotel the rest of the prefix is not used")
    time.sleep(2)
    check(why(node, SITE) == (True, "at-home") and way(node, NAS) == tun, "the hotel became a home")
    step(laptop, "out of the hotel", lambda: ns.ip("link del hotel"), (True, ""), tun, "10.20.50.1")

def add_bridge(ns, address):
    ns.ip("link add docker0 type bridge")
    ns.ip("link set docker0 up")
    ns.ip(f"addr add {address} dev docker0")

def try_conflicts(laptop):
    node, ns, tun = laptop.node, laptop.node.ns, laptop.node.tun
    # Containers: their part stays, the rest is used.
    step(laptop, "bridge inside", lambda: add_bridge(ns, "10.20.7.1/24"), (True, "local-network"), "docker0", "10.20.7.5")
    check(way(node, NAS) == tun, "the rest of the prefix is not used")
    step(laptop, "bridge gone", lambda: ns.ip("link del docker0"), (True, ""), tun, "10.20.7.5")
    step(laptop, "bridge around", lambda: add_bridge(ns, "10.1.0.1/8"), (False, "local-network"), "docker0")
    check("local-network" in "".join(node.status()["health"]), f"health: {node.status()['health']}")
    step(laptop, "bridge gone", lambda: ns.ip("link del docker0"), (True, ""), tun)
    check("routes:" not in "".join(node.status()["health"]), f"health: {node.status()['health']}")
    # Somebody else's route, inside and around.
    step(laptop, "route inside", lambda: ns.ip("route add 10.20.9.0/24 via " + laptop.gateway()), (True, "other-route"),
         "wan", "10.20.9.1")
    check(way(node, NAS) == tun, "the rest of the prefix is not used")
    step(laptop, "route gone", lambda: ns.ip("route del 10.20.9.0/24"), (True, ""), tun, "10.20.9.1")
    step(laptop, "route around", lambda: ns.ip("route add 10.0.0.0/8 via " + laptop.gateway()), (False, "other-route"), "wan")
    step(laptop, "route gone", lambda: ns.ip("route del 10.0.0.0/8"), (True, ""), tun)

def try_choice(laptop):
    node, tun = laptop.node, laptop.node.tun
    step(laptop, "accept-routes no", lambda: node.ctl("set", "accept-routes", "no"), (False, "accept-routes"), "wan")
    check("proto 87" not in node.ns.run("ip", "rule").stdout, "rules stay without a route")
    step(laptop, "accept-routes yes", lambda: node.ctl("set", "accept-routes", "yes"), (True, ""), tun)
    done = node.ctl("set", "accept-routes", "perhaps", expect=None)
    check(done.returncode and done.stderr.count("\n") == 1, f"accept-routes perhaps: {done}")

def rules(ns):
    return [row for family in ("-4", "-6") for row in ns.run("ip", family, "rule").stdout.splitlines() if "proto 87" in row]

def try_ends(laptop):
    """Nothing of ours stays behind: not after down, not after SIGTERM, not after SIGKILL."""
    node, ns = laptop.node, laptop.node.ns
    check(len(rules(ns)) == 6, f"rules: {rules(ns)}")
    node.ctl("down")
    check(rules(ns) == [] and way(node, NAS) == "wan", f"after down: {rules(ns)}")
    laptop.intact("down")
    node.up()
    wait_until("routes again", lambda: way(node, NAS) == node.tun, 10)
    # Others clean up what they do not know.
    ns.ip("rule flush")
    ns.ip("rule add pref 32766 lookup main")
    ns.ip("rule add pref 32767 lookup default")
    wait_until("rules come back", lambda: len(rules(ns)) == 6 and way(node, NAS) == node.tun, REACT_S)
    for number in (signal.SIGKILL, signal.SIGTERM):
        node.process.popen.send_signal(number)
        node.process.popen.wait(10)
        wait_until("the rules are gone", lambda: rules(ns) == [], 3)
        laptop.intact(f"signal {number}")
        node.start()
        wait_until("routes after a start", lambda: way(node, NAS) == node.tun, 10)

def scenario(lab):
    coord = coordinator(lab)
    wire, gw_ns, nas = lab.host("lan"), lab.server("gw"), lab.host("nas")
    wire.ip("link add br0 type bridge")
    wire.ip("link set br0 up")
    for ns, dev, last in ((gw_ns, "p0", 1), (nas, "p1", 9)):
        lab.link(ns, "lan", wire, dev)
        wire.ip(f"link set {dev} master br0")
        ns.ip(f"addr add 10.20.0.{last}/24 dev lan")
        ns.ip(f"addr add fd20:1::{last}/64 dev lan nodad")
    coord.set_policy(POLICY)
    node, gw = join(lab, coord, lab.server("laptop"), gw_ns)
    laptop = Laptop(node)
    gw.ctl("set", "routes", f"{SITE},{SITE6},172.16.0.0/12")
    coord.admin("route", "approve", "gw", "all")

    wait_until("the prefix is used", lambda: why(node, SITE) == (True, ""), 10)
    for prefix in ("100.64.0.0/16", "10.20.0.1/16", "0.0.0.0/0"):
        done = gw.ctl("set", "routes", prefix, expect=None)
        check(done.returncode and done.stderr.count("\n") == 1, f"set routes {prefix}: {done.stdout}{done.stderr}")
    try_moves(laptop, wire)
    try_hotel(laptop)
    try_conflicts(laptop)
    try_choice(laptop)
    try_ends(laptop)
