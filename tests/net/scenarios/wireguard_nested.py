"""A tunnel through a tunnel, and the mistake that comes with it: a route that leads a tunnel's own
packets back into it.

    left ── internet ── right          inner: 10.9.1.x over the wire
      wgl ············ wgr             outer: 10.9.2.x with endpoints 10.9.1.x
      wgl2 ··········· wgr2
"""

import time

from lab.command import check
from lab.wireguard import Device, bracketed

PORT = 51820
TIMEOUT_S = 60
LOOP_S = 1


def tunnel_in_tunnel(lab, left, right):
    outer_left = Device(lab, left.ns, "wgl2", "warren", PORT + 1, ["10.9.2.1", "fd09:2::1"])
    outer_right = Device(lab, right.ns, "wgr2", "warren", PORT + 1, ["10.9.2.2", "fd09:2::2"])
    for family in (0, 1):
        outer_right.add(outer_left)
        outer_left.add(outer_right, bracketed(right.inner[family], PORT + 1))
        for device in (outer_left, outer_right):
            device.ns.ip(f"link set {device.tun} mtu 1340")
        before = left.peer(right)["tx"]
        outer_left.check_ping(outer_right, f"a tunnel in a tunnel to {right.inner[family]}")
        # Large ones too, whole and in fragments.
        for size in (1300, 4000):
            left.ns.run("ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "3", "-s", size, "10.9.2.2")
        tcp = outer_left.iperf(outer_right, "-t", "1")
        check(tcp["sum_received"]["bytes"] > 1 << 20, f"TCP {tcp['sum_received']['bytes']} bytes")
        check(left.peer(right)["tx"] - before > tcp["sum_received"]["bytes"], "it went past the first tunnel")
        outer_right.set("peer", outer_left.public, "remove")
        outer_left.set("peer", outer_right.public, "remove")


def cpu_s(process):
    """Processor time of what nsenter became."""
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def loop(lab, left, right, family):
    """The peer's endpoint is routed into the tunnel itself: what is sent comes back to be sent. A
    few bytes for each packet of the host's, not a storm, and all is well when the route is gone."""
    end, mask = right.outer(family), 32 if family == 4 else 128
    left.set("peer", right.public, "endpoint", bracketed(end, PORT),
             "allowed-ips", ",".join(right.inner + ["198.51.0.0/16", "2001:db8::/32"]))
    left.check_ping(right, f"v{family}: before the loop")
    left.ns.ip(f"-{family} route add {end}/{mask} dev {left.tun}")
    before, cpu = left.peer(right)["tx"], cpu_s(left.process)
    for size in (56, 1300, 1392, 3000):
        left.ns.run("ping", "-n", "-q", "-c", "5", "-i", "0.01", "-W", "0.3", "-s", size, right.inner[0],
                    expect=None)
    udp = left.ns.socket()
    for _ in range(20):
        udp.sendto(bytes(1200), (right.inner[0], 9999))
    time.sleep(LOOP_S)
    sent, spent = left.peer(right)["tx"] - before, cpu_s(left.process) - cpu
    print(f"v{family}: {sent} bytes sent and {spent:.2f} s of processor time in the loop")
    # About 55 kB once, headers, and the later fragments of what was longer than the tunnel's MTU.
    check(sent < 100_000, f"v{family}: {sent} bytes went round")
    check(spent < 1, f"v{family}: {spent} s of processor time")
    left.ns.ip(f"-{family} route del {end}/{mask} dev {left.tun}")
    check(left.ns.ping(right.inner[0], count=3, timeout_s=7), f"v{family}: no answer after the loop")


def scenario(lab):
    left = Device(lab, lab.server("left"), "wgl", "warren", PORT, ["10.9.1.1", "fd09:1::1"])
    right = Device(lab, lab.server("right"), "wgr", "warren", PORT, ["10.9.1.2", "fd09:1::2"])
    right.add(left)
    left.add(right, bracketed(right.outer(4), PORT))
    left.check_ping(right, "the first tunnel")
    tunnel_in_tunnel(lab, left, right)
    loop(lab, left, right, 4)
    loop(lab, left, right, 6)
