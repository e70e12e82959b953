"""A TURN server beside a relay of ours: the nearer one is used, the other takes over, and a forced
relay gives no address away.

    alice ── router A (packets are captured) ──┐              ┌── coord (with relay, 20 ms away)
                                               ├── internet ──┤
    bob ──────────────────────────── router A ─┘              └── turn (coturn, killed)
"""

import socket
import time

from lab.command import check, wait_until
from lab.packets import UDP, Wire
from lab.turn import Coturn
from lab.warren import Coordinator, Stream, join


def with_address(taken, address):
    """Those of UDP that have this address at either end; taken: packets out and in."""
    raw = socket.inet_aton(address)
    packets = taken[0] + taken[1]
    return [p for p in packets if p[0] >> 4 == 4 and p[9] == UDP and raw in (p[12:16], p[16:20])]


def by(source, target, relay):
    wait_until(f"{source.name} goes by {relay}", lambda: (source.peer(target) or {}).get("relay") == relay, 15)


def scenario(lab):
    coord = Coordinator(lab, lab.server("coord", impair="delay_ms=10"))
    turn = Coturn(coord, lab.server("turn"))
    homes = [lab.home("home1", "A"), lab.home("home2", "A")]
    alice, bob = join(lab, coord, homes[0].host("alice"), homes[1].host("bob"))
    for node in (alice, bob):
        node.wait_home_relay("turn", 30)
    line = Wire(homes[0].router, "wan")
    theirs = homes[1].router.address()

    alice.ctl("set", "path", "bob", "relay")
    line.taken()
    alice.reaches(bob)
    bob.reaches(alice)
    by(alice, bob, "turn")
    stream = Stream(alice, bob)
    time.sleep(1)
    seen = line.taken()
    check(with_address(seen, turn.ns.address()), "nothing was captured")
    check(not with_address(seen, theirs), "packets went to bob's address, or came from there")

    since = time.time()
    turn.process.kill()
    by(alice, bob, "home")
    time.sleep(1)
    print(f"coturn killed: {stream.gap_s(since):.2f} s without an answer")
    check(stream.gap_s(since) < 2, "the other relay did not take over within 2 s")
    check(not with_address(line.taken(), theirs), "packets went to bob's address after that")
    alice.ctl("set", "path", "bob", "auto")
    alice.wait_path(bob, "direct")
    stream.stop()
