"""A plain WireGuard device is killed: its interface, addresses and routes go with it, and the next
start finds the name free and the stale control socket no hindrance.

    left (warrend --standalone) ── internet ── right (wireguard-go)
"""

import os
import signal

from lab.command import check
from lab.wireguard import Device


def scenario(lab):
    left, right = lab.server("left"), lab.server("right")
    far = Device(lab, right, "wgright", "go", inner=["10.9.0.2"])
    for signum in (signal.SIGKILL, signal.SIGTERM, None):
        near = Device(lab, left, "wgleft", "warren", inner=["10.9.0.1"])
        far.add(near)
        near.add(far, endpoint=f"{far.outer()}:51820")
        check(left.ping("10.9.0.2", count=2, timeout_s=8), "no answer through the tunnel")
        if signum is None:
            break
        near.process.kill(signum)
        check(not left.device_exists("wgleft"), f"the device is there after signal {signum}")
        check("10.9.0" not in left.run("ip", "route", "show", "table", "all").stdout, "a route stayed")
        if signum == signal.SIGTERM:
            check(not os.path.exists("/var/run/wireguard/wgleft.sock"), "the socket stayed")
