"""A line that gets narrower in mid-transfer, and a network card that loses what it should cut:
traffic goes on within about a second, and nobody was told by ICMP.

    alice ── router ── internet ── router (MTU 1500, then 1280) ── bob
                          └── coord (with relay)
"""

import json
import time

from lab.command import check, wait_until
from lab.underlay import Lines, wait_mtu
from lab.warren import Stream

TIMEOUT_S = 180

# Alice's packets that the kernel has not cut yet vanish behind her card.
LOSE_CUT = """
table netdev lossy {
    chain out {
        type filter hook ingress device alice priority 0; policy accept;
        meta length > 1600 drop
    }
}
"""


class Bulk:
    """A TCP stream as fast as it goes; what arrived is sampled ten times a second."""

    def __init__(self, source, target):
        self.server = target.ns.start(f"bulk-server-{target.name}", "iperf3", "-s", "-1", "-p", "5301")
        wait_until("iperf3 listens", lambda: "5301" in target.ns.run("ss", "-tln").stdout)
        self.ns, self.address = target.ns, source.address()
        self.client = source.ns.start(f"bulk-{source.name}", "iperf3", "-c", target.address(), "-p",
                                      "5301", "-t", "60")
        self.tun = f"w-{target.name}"
        wait_until("the bulk flows", lambda: self.received() > 2 << 20)

    def received(self):
        shown = self.ns.run("ip", "-s", "-j", "link", "show", self.tun).stdout
        return json.loads(shown)[0]["stats64"]["rx"]["bytes"]

    def stall_s(self, watch_s):
        """The longest time without half a MiB more, while watching."""
        longest, last, mark = 0.0, time.monotonic(), self.received()
        end = last + watch_s
        while time.monotonic() < end:
            now_received = self.received()
            if now_received > mark + (1 << 19):
                longest, last, mark = max(longest, time.monotonic() - last), time.monotonic(), now_received
            time.sleep(0.02)
        return max(longest, time.monotonic() - last)

    def stop(self):
        self.client.kill()
        self.server.kill()


def narrowing(lines, alice, bob):
    bulk = Bulk(alice, bob)
    wait_mtu(alice, bob, 1420)
    lines.narrow(1400)
    stall = bulk.stall_s(4)
    wait_mtu(alice, bob, 1340)
    check(stall < 2, f"1500 to 1400: the transfer stood still for {stall:.1f} s")
    print(f"1500 to 1400 in mid-transfer: {stall:.2f} s")
    lines.narrow(1280)
    stall = bulk.stall_s(4)
    wait_mtu(alice, bob, 1280)
    check(stall < 2, f"1400 to 1280: the transfer stood still for {stall:.1f} s")
    print(f"1400 to 1280: {stall:.2f} s")
    # And it is found when the line gets wider again.
    lines.narrow(1500)
    wait_mtu(alice, bob, 1420, 30)
    bulk.stop()


def losing_cut_ones(lines, alice, bob):
    bulk = Bulk(alice, bob)
    lines.homes[0].router.nft(LOSE_CUT)
    stall = bulk.stall_s(4)
    check(stall < 2, f"cut packets lost: the transfer stood still for {stall:.1f} s")
    print(f"cut packets lost: {stall:.2f} s")
    bulk.stop()


def scenario(lab):
    lines = Lines(lab, "none")
    alice, bob = lines.alice, lines.bob
    alice.reaches(bob)
    alice.ping(bob, until_direct=True, timeout_s=15)
    narrowing(lines, alice, bob)
    losing_cut_ones(lines, alice, bob)
