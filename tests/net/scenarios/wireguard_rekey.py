"""A session through the real 120 s: the initiator makes a new one under traffic, without a gap, and
wireguard-go's duty to do so is served as well.

    left ── internet ── right
"""

import re

from lab.command import check
from lab.wireguard import Device, bracketed

TIMEOUT_S = 230
LENGTH_S = 135


def scenario(lab):
    pings = []
    for index, kinds in enumerate((("warren", "go"), ("go", "warren"), ("warren", "warren")), 1):
        left = Device(lab, lab.server(f"left{index}"), f"wgl{index}", kinds[0], 51820,
                      [f"10.9.{index}.1"])
        right = Device(lab, lab.server(f"right{index}"), f"wgr{index}", kinds[1], 51820,
                       [f"10.9.{index}.2"])
        right.add(left)
        left.add(right, bracketed(right.outer(4), 51820))
        left.check_ping(right, "at first")
        first = left.peer(right)["handshake"]
        process = left.ns.start(f"ping{index}", "ping", "-n", "-q", "-i", "0.2", "-w", LENGTH_S,
                                right.inner[0])
        pings.append((left, right, kinds, first, process))
    for left, right, kinds, first, process in pings:
        process.wait(LENGTH_S + 30)
        said = process.log()
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", said)
        check(counts, f"{kinds}: {said}")
        lost = int(counts.group(1)) - int(counts.group(2))
        check(lost <= 1, f"{kinds}: {lost} of {counts.group(1)} pings were lost")
        again = left.peer(right)["handshake"] - first
        check(118 <= again <= 128, f"{kinds}: the new handshake came after {again} s")
        print(f"{' to '.join(kinds)}: new session after {again} s, {lost} pings lost")
