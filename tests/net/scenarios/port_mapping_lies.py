"""A router that lies about the ports it opens: packets go by the relay as before, and netcheck says why.

    alice ── router B, a liar ── internet ── router B ── bob
                                      └── coord (with relay)
"""

import os
import sys
import time

from lab.command import check, wait_until
from lab.mapper import mapping
from lab.warren import Node, coordinator

TOOL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tools", "lying_mapper.py")

# What netcheck says in the end; the last word is the daemon's, so parts of it are enough.
LIES = {
    "private": "has itself only a private address",
    "foreign": "relays see another address",
    "closed": "nothing from outside arrives",
    "flood": "answers without end",
    "hang": "announces a service that does not answer",
    "babble": "describes no gateway",
    "elsewhere": "points to another host",
}
CPU_S = 1.0  # of the daemon, for one of them


def cpu_s(process):
    """What the daemon below nsenter has used."""
    with open(f"/proc/{process.popen.pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def try_lie(lab, home, alice, bob, mode, said):
    liar = home.router.start(f"liar-{mode}", sys.executable, TOOL, mode, f"{home.lan}.1",
                             home.public_address())
    liar.wait_log("ready")
    alice.start()
    alice.reaches(bob)
    wait_until(f"{mode}: status says '{said}'", lambda: said in alice.status()["port_mapping"], 12, 0.3)
    text = alice.status()["port_mapping"]
    check(not text.endswith(" verified"), f"{mode}: {text}")
    alice.reaches(bob)
    used = cpu_s(alice.process)
    check(used <= CPU_S, f"{mode}: the daemon used {used} s")
    if mode == "elsewhere":
        check("connection" not in liar.log(), "a connection to where the gateway pointed")
    start = time.monotonic()
    alice.process.terminate()
    ended = time.monotonic() - start
    check(ended < 2, f"{mode}: the daemon ended after {ended:.1f} s")
    print(f"{mode}: {text}; {used:.2f} s of CPU, ended in {ended:.2f} s")
    liar.kill()


def scenario(lab):
    coord = coordinator(lab)
    home = lab.home("left", "B")
    alice = Node(lab, home.host("alice"))
    bob = Node(lab, lab.home("right", "B").host("bob"))
    for node in (alice, bob):
        node.up(coord.token)
    alice.process.terminate()
    for mode, said in LIES.items():
        try_lie(lab, home, alice, bob, mode, said)
    alice.start("--port-mapping", "off")
    text, entries = mapping(alice)
    check("switched off" in text and not entries, f"switched off: {text}")
