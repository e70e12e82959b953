"""The name server says nothing: a daemon that waits for it still ends at once.

    alice ── internet ── names, which drops every question
"""

import os
import time

from lab.command import check, run, wait_until
from lab.warren import Coordinator, Node

LIMIT_S = 2


def scenario(lab):
    names = lab.server("names")
    names.nft("table inet t { chain c { type filter hook input priority 0; udp dport 53 drop\n}\n}")
    with open("/run/resolv.conf", "w", encoding="ascii") as file:
        file.write(f"nameserver {names.address(4)}\n")
    run(["mount", "--bind", "/run/resolv.conf", "/etc/resolv.conf"])
    coord = Coordinator(lab, lab.server("coord"), public="coord.example")
    alice = Node(lab, lab.server("alice"))
    with open("/run/token", "w", encoding="ascii") as file:
        file.write(coord.token + "\n")
    os.chmod("/run/token", 0o600)
    client = alice.ns.start("up", lab.bin("warren"), "--socket", alice.control, "up", "--token-file", "/run/token")
    time.sleep(1)
    check(client.running(), f"up did not wait for the name: {client.log()}")
    start = time.monotonic()
    alice.process.terminate()
    took = time.monotonic() - start
    print(f"ended after {took:.1f} s")
    check(took < LIMIT_S, f"SIGTERM took {took:.1f} s")
    check(not alice.ns.device_exists(alice.tun), "the device stayed")
    wait_until("up ends as well", lambda: not client.running(), 5)
