"""Each switch of the configuration switches its offload, and only that, and traffic flows without it.

    left ── internet ── right (all offloads)
"""

import ctypes
import os
import re
import socket

from lab.command import check
from lab.packets import Wire
from lab.wireguard import Device, bracketed

TIMEOUT_S = 120
SYS_PIDFD_GETFD = 438
UDP_GRO = 104
FULL = 1500
SWITCHES = ("tun-offload", "udp-gso", "udp-gro")
libc = ctypes.CDLL(None, use_errno=True)


def udp_gro(process):
    """Whether every UDP socket of a process merges what it receives."""
    found, pid = [], process.popen.pid
    pidfd = os.pidfd_open(pid)
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if not os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:"):
            continue
        copy = socket.socket(fileno=libc.syscall(SYS_PIDFD_GETFD, pidfd, int(fd), 0))
        if copy.type == socket.SOCK_DGRAM and copy.family in (socket.AF_INET, socket.AF_INET6):
            found.append(copy.getsockopt(socket.IPPROTO_UDP, UDP_GRO) != 0)
        copy.close()
    os.close(pidfd)
    check(found and len(set(found)) == 1, f"UDP sockets with and without GRO: {found}")
    return found[0]


def offloads(left, right, wire):
    """What is on, seen from outside while data flows."""
    wire.taken()
    left.iperf(right, "-n", "3M")
    sent, _ = wire.taken()
    features = left.ns.run("ethtool", "-k", left.tun).stdout
    tun = re.search(r"^\s*tcp-segmentation-offload: (on|off)", features, re.M)
    return {"tun-offload": tun.group(1) == "on",
            "udp-gso": max(map(len, sent)) > FULL,
            "udp-gro": udp_gro(left.process)}


def scenario(lab):
    right = Device(lab, lab.server("right"), "wgr", "warren", 51820, ["10.9.0.2"])
    for number, switch in enumerate((None, *SWITCHES)):
        ns = lab.server(f"left{number}")
        options = (f"--{switch}", "no") if switch else ()
        left = Device(lab, ns, f"wgl{number}", "warren", 51820, [f"10.9.{number + 1}.1"], options)
        right.add(left)
        left.add(right, bracketed(right.outer(4), 51820))
        left.check_ping(right, f"without {switch}")
        found = offloads(left, right, Wire(ns, "wan"))
        check(found == {name: name != switch for name in SWITCHES}, f"without {switch}: {found}")
