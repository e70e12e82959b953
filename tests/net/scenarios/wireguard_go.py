"""A plain WireGuard device of ours and Debian's wireguard-go, each as initiator and as responder,
over v4 and v6 outside and inside.

    left (198.51.N.2, 2001:db8:N::2) ── internet ── right (…)
      wgl: warrend or wireguard-go                   wgr: the other
"""

from lab.command import check, run
from lab.wireguard import Device, bracketed

TIMEOUT_S = 200


def pair(lab, index, left_kind, right_kind, outer):
    left_ns, right_ns = lab.server(f"left{index}"), lab.server(f"right{index}")
    port = 51820 + index
    left = Device(lab, left_ns, f"wgl{index}", left_kind, port,
                  [f"10.9.{index}.1", f"fd09:{index}::1"])
    right = Device(lab, right_ns, f"wgr{index}", right_kind, port,
                   [f"10.9.{index}.2", f"fd09:{index}::2"])
    psk = run(["wg", "genpsk"]).stdout.strip() if index % 2 else None
    what = f"{left_kind} to {right_kind} over v{outer}"
    right.add(left, psk=psk)
    left.add(right, bracketed(right.outer(outer), port), psk=psk)
    # Only left knows an endpoint, so left initiates and right learns.
    left.check_ping(right, what)
    right.check_ping(left, what + ", answering side")
    check(right.peer(left)["endpoint"] == bracketed(left.outer(outer), port),
          f"{what}: endpoint {right.peer(left)['endpoint']}")
    counters(left, right, what)
    tcp = left.iperf(right, "-t", "1")
    check(tcp["sum_received"]["bytes"] > 1 << 20, f"{what}: TCP {tcp['sum_received']['bytes']} bytes")
    back = left.iperf(right, "-t", "1", "-R")
    check(back["sum_received"]["bytes"] > 1 << 20, f"{what}: TCP back {back['sum_received']}")
    udp = left.iperf(right, "-u", "-b", "10M", "-l", "1200", "-t", "1")
    check(udp["sum"]["lost_percent"] < 20, f"{what}: UDP lost {udp['sum']['lost_percent']} %")
    print(f"{what}: TCP {tcp['sum_received']['bits_per_second'] / 1e6:.0f} Mbit/s")
    for device in (left, right):
        device.process.terminate()
        check(not device.ns.device_exists(device.tun), f"{what}: {device.tun} is left behind")


def counters(left, right, what):
    """What one side sent is what the other received, to the byte."""
    a, b = left.peer(right), right.peer(left)
    if "go" in (left.kind, right.kind):
        # Go counts handshakes too: 148 and 92 bytes of each.
        check(abs(a["tx"] - b["rx"]) <= 148 and abs(a["rx"] - b["tx"]) <= 148,
              f"{what}: counters {a} {b}")
    else:
        check(a["tx"] == b["rx"] and a["rx"] == b["tx"], f"{what}: counters {a} {b}")


def scenario(lab):
    index = 0
    for kinds in (("warren", "go"), ("go", "warren"), ("warren", "warren")):
        for outer in (4, 6):
            index += 1
            pair(lab, index, *kinds, outer)
