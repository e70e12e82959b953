"""Persistent keepalives hold a NAT's mapping of 2 s open, so that the side outside can begin.

    inside ── NAT (udp mappings live 2 s) ── internet ── outside
"""

import time

from lab.command import check
from lab.wireguard import Device, bracketed


def scenario(lab):
    home = lab.home("home", "B")
    home.router.sysctl("net.netfilter.nf_conntrack_udp_timeout=2",
                       "net.netfilter.nf_conntrack_udp_timeout_stream=2")
    inside = Device(lab, home.host("inside"), "wgin", "warren", 51820, ["10.9.1.1"])
    outside = Device(lab, lab.server("outside"), "wgout", "go", 51820, ["10.9.1.2"])
    outside.add(inside)
    inside.add(outside, bracketed(outside.outer(4), 51820))
    inside.check_ping(outside, "through the NAT")
    time.sleep(4)
    check(not outside.ns.ping(inside.inner[0]), "the mapping lives longer than 2 s: nothing is tested")
    inside.set("peer", outside.public, "persistent-keepalive", "1")
    time.sleep(4)
    sent = inside.peer(outside)["tx"]
    check(outside.ns.ping(inside.inner[0], timeout_s=2), "keepalives do not hold the mapping")
    time.sleep(3)
    check(inside.peer(outside)["tx"] >= sent + 2 * 32, "no keepalives are sent")
    check(outside.ns.ping(inside.inner[0], timeout_s=2), "the mapping was lost later")
    # The other way round: ours outside, begun by the peer inside, answered and reached.
    other_in = Device(lab, home.host("inside2"), "wgin2", "go", 51821, ["10.9.2.1"])
    other_out = Device(lab, lab.server("outside2"), "wgout2", "warren", 51821, ["10.9.2.2"])
    other_out.add(other_in)
    other_in.add(other_out, bracketed(other_out.outer(4), 51821), keepalive=1)
    time.sleep(4)
    check(other_out.ns.ping(other_in.inner[0], timeout_s=2), "outside cannot reach inside")
