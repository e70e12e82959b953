"""A wire far slower than the tunnel: what waits for it waits in the TUN, where flows are told to slow
down, and nothing is lost on its way out of the daemon.

    left (warrend --standalone) ── 50 Mbit/s ── internet ── right (warrend --standalone)
"""

import re
import threading

from lab.command import check
from lab.wireguard import Device

RATE_MBIT = 50
SECONDS = 6
# What the wire itself would hold: a third of a second, which no packet may wait.
WIRE_BYTES = 2_000_000
RTT_MAX_MS = 150
MEMORY_MAX_KIB = 8192


def resident_kib(process):
    with open(f"/proc/{process.popen.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def counter(ns, name):
    return int(ns.run("nstat", "-asz", name).stdout.split(name)[1].split()[0])


def wire_drops(ns):
    return int(re.search(r"dropped (\d+)", ns.run("tc", "-s", "qdisc", "show", "dev", "wan").stdout)[1])


def load(near, far, streams):
    """Streams for a while, and the round trips beside them, in ms, once they have settled."""
    said = []
    pings = threading.Thread(target=lambda: said.append(near.ns.run(
        "ping", "-n", "-i", "0.02", "-c", SECONDS * 50, far.inner[0], expect=None, timeout_s=40).stdout))
    pings.start()
    end = near.iperf(far, "-t", SECONDS, "-P", streams)
    pings.join()
    rtts = [float(x) for x in re.findall(r"time=([\d.]+)", said[0])]
    return end, sorted(rtts[len(rtts) // 3:])


def scenario(lab):
    left, right = lab.server("left"), lab.server("right")
    near = Device(lab, left, "wgleft", "warren", inner=["10.9.0.1"])
    far = Device(lab, right, "wgright", "warren", inner=["10.9.0.2"])
    near.add(far, endpoint=f"{far.outer()}:51820")
    far.add(near)
    near.check_ping(far, "before the load")
    left.run("tc", "qdisc", "add", "dev", "wan", "root", "tbf", "rate", f"{RATE_MBIT}mbit", "burst", "64k",
             "limit", WIRE_BYTES)
    before = resident_kib(near.process)
    for ecn, streams in ((1, 1), (1, 8), (0, 8)):
        for ns in (left, right):
            ns.sysctl(f"net.ipv4.tcp_ecn={ecn}")
        marks = counter(right, "IpExtInCEPkts")
        end, rtts = load(near, far, streams)
        marks = counter(right, "IpExtInCEPkts") - marks
        rate, lost = end["sum_received"]["bits_per_second"] / 1e6, end["sum_sent"]["retransmits"]
        middle, high = rtts[len(rtts) // 2], rtts[len(rtts) * 99 // 100]
        print(f"ecn={ecn} {streams} streams: {rate:.1f} Mbit/s, {marks} CE marks, {lost} sent again, "
              f"RTT p50 {middle:.1f} p99 {high:.1f} ms")
        check(rate > 0.8 * RATE_MBIT, f"only {rate} Mbit/s of {RATE_MBIT}")
        check(middle < RTT_MAX_MS, f"packets stand for {middle} ms")
        if ecn and streams > 1:
            check(marks > 0, "nobody was told of the queue")
        if ecn:
            check(lost <= 20, f"{lost} segments sent again in spite of ECN")
    check(wire_drops(left) == 0, f"{wire_drops(left)} packets sent to a wire that was full")
    grown = resident_kib(near.process) - before
    check(grown < MEMORY_MAX_KIB, f"{grown} KiB more in memory")
