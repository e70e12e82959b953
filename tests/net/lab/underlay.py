"""Narrow lines: two homes whose lines to the internet take packets of any size, without any ICMP."""

from .command import check, wait_until
from .warren import Coordinator, join

# What tells a sender of its limits is dropped everywhere, made here or passing by. v6 needs its
# neighbours.
SILENT = """
table inet silent {
    chain out {
        type filter hook output priority 0; policy accept;
        meta l4proto icmp drop
        icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } drop
    }
    chain through {
        type filter hook forward priority -1; policy accept;
        meta l4proto { icmp, ipv6-icmp } drop
    }
}
"""


class Lines:
    """Alice and bob at home behind routers of a kind, v4 or v6, their machines' links of size lan."""

    def __init__(self, lab, kind, family=4, lan=1500):
        only = {"v4": family == 4, "v6": family == 6}
        server = lab.server("coord", **only)
        address = server.address(family)
        self.lab, self.family = lab, family
        self.coord = Coordinator(lab, server, public=f"[{address}]" if family == 6 else address)
        self.homes = [lab.home(f"home{i}", kind, **only) for i in (1, 2)]
        hosts = [home.host(name) for home, name in zip(self.homes, ("alice", "bob"))]
        for ns in (lab.internet, *(home.router for home in self.homes)):
            ns.nft(SILENT)
        if lan != 1500:
            self._widen(lan)
        self.alice, self.bob = join(lab, self.coord, *hosts)

    def _widen(self, size):
        for home in self.homes:
            for host in home.hosts:
                home.router.ip(f"link set {host.name} mtu {size}")
                host.ip(f"link set eth0 mtu {size}")
            home.router.ip(f"link set lan mtu {size}")
            self.narrow(size, home)

    def narrow(self, size, home=None):
        """The line of a home, bob's by default, takes packets of this size from now on."""
        home = home or self.homes[1]
        home.router.ip(f"link set wan mtu {size}")
        self.lab.internet.ip(f"link set site{home.site} mtu {size}")

    def meet_anew(self):
        """Forgets every path and session and what the kernels cached."""
        for node in (self.alice, self.bob):
            node.ctl("down")
        for node in (self.alice, self.bob):
            node.up()
        for node, other in ((self.alice, self.bob), (self.bob, self.alice)):
            node.wait_peer(other)


def wait_mtu(node, other, expected, timeout_s=6):
    seen = {}

    def probe():
        seen.update(node.peer(other) or {})
        return seen.get("mtu") == expected
    try:
        wait_until("mtu", probe, timeout_s, 0.1)
    except Exception:
        check(False, f"{node.name} to {other.name}: mtu is {seen.get('mtu')}, not {expected}, within "
              f"{timeout_s} s")


def fits(node, other, size, family=4):
    """An echo of inner packets of this size and no larger, not to be fragmented inside."""
    header = 28 if family == 4 else 48
    done = node.ns.run("ping", "-n", "-q", "-c", 3, "-i", "0.2", "-W", 2, "-M", "do", "-s",
                       size - header, other.address(family), expect=None, timeout_s=10)
    return done.returncode == 0


