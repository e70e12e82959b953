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
    near = Device(lab, left, ["10.9.0.1/24"])
    far = Device(lab, right, ["10.9.0.2/24"], program="wireguard-go")
    far.add_peer(near)
    for signum in (signal.SIGKILL, signal.SIGTERM, None):
        near.add_peer(far, endpoint=f"{right.address(4, 'wan')}:51820")
        check(left.ping("10.9.0.2", count=2, timeout_s=8), "no answer through the tunnel")
        if signum is None:
            break
        near.process.kill(signum)
        check(not left.device_exists(near.name), f"the device is there after signal {signum}")
        check("10.9.0" not in left.run("ip", "route", "show", "table", "all").stdout, "a route stayed")
        if signum == signal.SIGTERM:
            check(not os.path.exists(f"/var/run/wireguard/{near.name}.sock"), "the socket stayed")
        near.start()
