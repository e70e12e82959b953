"""An exit behind a relay by TLS, since UDP is blocked, on a machine with a container, a second
VPN's routes and others who meddle: nothing goes beside the tunnel, whatever happens to either.

    box (a container) ── alice ── router U ── internet ──┬── web, which says whom it sees
                                                         ├── east (exit)
                                                         └── coord (with relay)
"""

import time

from lab.command import check, wait_until
from lab.exits import POLICY, Flood, Watch, Web, carries, exits, tables, who
from lab.warren import Node, coordinator

TIMEOUT_S = 120

# Docker's translation, for a network that it made.
DOCKER = """
table inet docker {
    chain post {
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "docker0" ip saddr 172.17.0.0/16 masquerade
        oifname != "docker0" ip6 saddr fd00:17::/64 masquerade
    }
}
"""


class Box:
    """A machine behind alice; to who it is a node."""

    def __init__(self, lab, alice):
        self.ns = lab.host("box")
        lab.link(alice, "docker0", self.ns, "eth0")
        alice.ip_batch(["addr add 172.17.0.1/16 dev docker0", "addr add fd00:17::1/64 dev docker0 nodad"])
        self.ns.ip_batch(["addr add 172.17.0.2/16 dev eth0", "addr add fd00:17::2/64 dev eth0 nodad",
                          "route add default via 172.17.0.1", "route add default via fd00:17::1"])
        alice.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        alice.nft(DOCKER)


def nobody(watch, web, *nodes, what):
    """Nobody of them sees the web, and nothing leaves."""
    for node in nodes:
        for family in (4, 6):
            seen = who(node, web.address(family), 0.3)
            check(seen is None, f"{what}: the web sees {seen}")
    watch.check(what)


def try_second_vpn(alice, box, web, east, watch):
    """Routes that halve the world, as other VPNs set them, are not more than a default route."""
    lan = alice.ns.ip("route show default").stdout.split()[2]
    lan6 = alice.ns.ip("-6 route show default").stdout.split()[2]
    halves = [f"0.0.0.0/1 via {lan}", f"128.0.0.0/1 via {lan}", f"2000::/3 via {lan6}", f"::/1 via {lan6}",
              f"default via {lan} metric 50", f"default via {lan6} metric 50"]
    for route in halves:
        alice.ns.ip(f"route add {route} dev eth0")
    for node in (alice, box):
        carries(node, web, east)
    watch.check("routes that halve the world")
    for route in halves:
        alice.ns.ip(f"route del {route} dev eth0")
    carries(alice, web, east)


def try_told_local(alice, web, watch):
    """Who gives out addresses cannot call the web local, whatever way he says it."""
    n = web.address(4).rsplit(".", 1)[0]
    router = alice.ns.ip("route show default").stdout.split()[2]
    router6 = alice.ns.ip("-6 route show default").stdout.split()[2]
    for route in (f"{n}.0/24 dev eth0", f"{n}.0/24 via {router}", f"{n}.0/24 via inet6 {router6} dev eth0",
                  f"{web.address(6)}/128 dev eth0", f"{web.address(6)}/128 via {router6}"):
        alice.ns.ip(f"route add {route}")
        time.sleep(1.2)
        for family in (4, 6):
            who(alice, web.address(family), 0.3)
        alice.ns.ping(web.address())
        watch.check(f"the route {route}")
        alice.ns.ip(f"route del {route}")


def try_meddlers(alice, box, web, east, watch):
    """Others empty all of nftables, take our rules away, or the device."""
    alice.ns.nft("delete table inet warren_block_" + alice.tun)
    for node in (alice, box):
        carries(node, web, east)
    wait_until("the kill switch is closed again", lambda: f"warren_block_{alice.tun}" in tables(alice), 5)
    for words in ("rule del pref 5220", "-6 rule del pref 5220", "rule del pref 5200", f"link set {alice.tun} down"):
        alice.ns.ip(words)
        who(alice, web.address(), 0.2)
        who(alice, web.address(6), 0.2)
    for node in (alice, box):
        carries(node, web, east)
    watch.check("after rules and the device were meddled with")


def try_way_lost(alice, web, east, watch):
    """The default routes go and come back."""
    routes = [line for words in ("route show default", "-6 route show default")
              for line in alice.ns.ip(words).stdout.splitlines()]
    for line in routes:
        alice.ns.ip(f"route del {line}")
    check(who(alice, web.address(), 0.3) is None, "the web is seen without a way")
    for line in routes:
        alice.ns.ip(f"route add {line}")
    carries(alice, web, east)
    watch.check("the default routes went and came back")


def try_deletion(alice, box, web, east, watch):
    """Without the device, and then without the daemon."""
    alice.ns.ip(f"link del {alice.tun}")
    for node in (alice, box):
        carries(node, web, east)
    watch.check("the device was deleted")
    alice.process.kill()
    nobody(watch, web, alice, box, what="the daemon is dead")
    time.sleep(0.5)
    nobody(watch, web, alice, box, what="and its keeper is done")


def try_names_off(alice, web, watch):
    alice.ctl("set", "names", "no")
    alice.ns.run("dig", "+tries=1", "+time=1", "www.test", expect=None)
    watch.check("names are off")
    check("names are off" in alice.ctl("status").stdout, "status does not say what becomes of DNS")
    alice.ctl("set", "names", "yes")
    check("names are off" not in alice.ctl("status").stdout, "status says that names are off when they are on")


def try_boot(alice, box, web, watch):
    """A machine that starts: what the unit before the network closes."""
    alice.ns.nft("delete table inet warren_block_" + alice.tun)
    alice.ns.run(alice.lab.bin("warrend"), "--close", "--state", alice.state, "--tun", alice.tun)
    nobody(watch, web, alice, box, what="closed before the daemon")


def try_revoked(alice, box, web, coord, watch):
    coord.admin("route", "revoke", "east", "exit")
    wait_until("east carries no more", lambda: who(alice, web.address(), 0.3) is None, 10)
    nobody(watch, web, alice, box, what="the exit is revoked")


def scenario(lab):
    coord = coordinator(lab)
    coord.set_policy(POLICY)
    web = lab.server("web")
    Web(web)
    home = lab.home("home", "U", v6=True)
    alice_ns, east_ns = home.host("alice"), lab.server("east")
    alice_ns.own_files(f"nameserver {home.lan}.1\n")
    east_ns.own_files(f"nameserver {web.address()}\n")
    # New devices get no IPv6 here; the mesh's own does.
    alice_ns.sysctl("net.ipv6.conf.default.disable_ipv6=1")
    alice, east = Node(lab, alice_ns), Node(lab, east_ns)
    alice.up(coord.token)
    alice_ns.sysctl("net.ipv6.conf.default.disable_ipv6=0")
    east.up(coord.key("--exit"))
    east.ctl("set", "offer-exit", "yes")
    wait_until("alice knows the exit", lambda: exits(alice) == {"east"}, 10)
    box = Box(lab, alice_ns)

    flood = Flood(alice_ns, web.address(4), web.address(6))
    inside = Flood(box.ns, web.address(4), web.address(6))
    watch = Watch(alice, f"ip daddr {home.lan}.0/24 accept")
    alice.ctl("set", "exit-node", "east", "--kill-switch", "yes")
    watch.begin()
    for node in (alice, box):
        carries(node, web, east)
    check(alice.peer(east)["path"] == "relay", f"the path is {alice.peer(east)['path']}")
    watch.check("by TLS, with UDP blocked")
    try_second_vpn(alice, box, web, east, watch)
    try_told_local(alice, web, watch)
    try_meddlers(alice, box, web, east, watch)
    try_way_lost(alice, web, east, watch)
    try_names_off(alice, web, watch)
    try_deletion(alice, box, web, east, watch)
    for one in (flood, inside):
        one.stop()
    try_boot(alice, box, web, watch)
    alice.start()
    carries(alice, web, east)
    try_revoked(alice, box, web, coord, watch)
    watch.stop()
