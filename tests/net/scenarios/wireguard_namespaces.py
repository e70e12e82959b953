"""The device lives in one network namespace, its sockets in another, as WireGuard is often used; then
the device's namespace is deleted, and all that was made is gone when the program has ended.

    outside ── internet ── right (warrend)
       warrend's sockets
    inside: warrend's device, and nothing else
"""

import os
import signal
import time

from lab.command import check, wait_until
from lab.wireguard import Device, bracketed

PORT = 51820
TIMEOUT_S = 60


def cpu_s(process):
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def left_behind(ns):
    """Everything of a device that could stay in a namespace."""
    return [line for words in (("link",), ("addr",), ("-4", "route", "show", "table", "all"),
                               ("-6", "route", "show", "table", "all"), ("rule",))
            for line in ns.run("ip", "-o", *words).stdout.splitlines()
            if "wgl" in line or "10.9." in line or "fd09" in line or str(PORT) in line]


def end_waiting(left, right, signum, what):
    """Until some news of its own namespace make it look, it waits for a device that is gone: it does
    not spin, and it can still be asked."""
    spent = cpu_s(left.process)
    time.sleep(1)
    if not left.process.running():
        return
    check(cpu_s(left.process) - spent < 0.2, f"{what}: {cpu_s(left.process) - spent} s in one idle second")
    right.ns.ping("10.9.1.1")
    left.process.kill(signum)


def moved(lab, right, signum):
    """One life of a device that moved to a namespace of its own; then that one is deleted."""
    what = f"ended by {signal.Signals(signum).name}"
    outside, inside = lab.host_of_left, lab.host(f"inside{signum}")
    left = Device(lab, outside, "wgl", "warren", PORT, [])
    left.inner = ["10.9.1.1", "fd09:1::1"]
    right.add(left)
    left.set("peer", right.public, "endpoint", bracketed(right.outer(4), PORT), "allowed-ips",
             ",".join(right.inner))
    outside.ip(f"link set wgl netns {inside.name}")
    inside.ip_batch(["addr add 10.9.1.1/32 dev wgl", "addr add fd09:1::1/128 dev wgl nodad",
                     "link set wgl mtu 1420 up", "route add 10.9.2.1 dev wgl", "route add fd09:2::1 dev wgl"])
    for address in right.inner:
        check(inside.ping(address, count=2, timeout_s=3), f"{what}: no ping to {address}")
        check(not outside.ping(address), f"{what}: outside reaches {address} as well")
    sent = left.peer(right)["tx"]
    inside.run("ping", "-n", "-q", "-c", "20", "-i", "0.01", "10.9.2.1")
    check(left.peer(right)["tx"] >= sent + 20 * 128, f"{what}: not through the tunnel")
    inside.run("ip", "netns", "del", inside.name)
    wait_until(f"{what}: wgl is gone", lambda: not os.path.exists(inside.path), 3)
    if left.process.running():
        end_waiting(left, right, signum, what)
    check(left.process.popen.wait(3) in (0, 1, -signum), f"{what}: status {left.process.popen.returncode}")
    if left.process.popen.returncode == 1:
        check("device-gone" in left.process.log(), f"{what}: it ended without a word")
    check(not left_behind(outside), f"{what}: left behind: {left_behind(outside)}")
    sockets = outside.run("ss", "-Huan").stdout
    check(str(PORT) not in sockets, f"{what}: sockets are left: {sockets}")
    check(signum == signal.SIGKILL or not os.path.exists("/run/wireguard/wgl.sock"), f"{what}: the socket stays")
    right.set("peer", left.public, "remove")


def scenario(lab):
    lab.host_of_left = lab.server("outside")
    before = sorted(lab.host_of_left.run("ip", "-o", "link").stdout.splitlines())
    right = Device(lab, lab.server("right"), "wgr", "warren", PORT, ["10.9.2.1", "fd09:2::1"])
    for signum in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        moved(lab, right, signum)
    after = sorted(lab.host_of_left.run("ip", "-o", "link").stdout.splitlines())
    check([l.split("state")[0] for l in before] == [l.split("state")[0] for l in after],
          f"links before {before} and after {after}")
